"""Addresses of the pages about the feed; they hold internal ids only, never a number of a patient or of a message."""

from django.urls import path

from messaging.views import exceptions, messages, rules

urlpatterns = [
    path("exceptions/", exceptions.listed, name="exceptions"),
    path("exceptions/<int:message_id>", exceptions.one, name="exception"),
    path("exceptions/<int:message_id>/rule", rules.make, name="make-rule"),
    path("exceptions/<int:message_id>/<slug:verb>", exceptions.act, name="exception-act"),
    path("exceptions/rules/<int:ruling_id>/end", rules.end, name="end-rule"),
    path("messages/", messages.listed, name="messages"),
    path("messages/<int:message_id>", messages.one, name="message"),
]
