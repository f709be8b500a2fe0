"""Addresses of the pages about feed and destinations: internal ids only, never a number of a patient or a message."""

from django.urls import path

from messaging.views import destinations, exceptions, fidelity, messages, probe, resending, rules

urlpatterns = [
    path("destinations/", destinations.listed, name="destinations"),
    path("destinations/live", destinations.live, name="destinations-live"),
    path("destinations/again/<int:order_id>/stop", resending.stopped, name="resend-stop"),
    path("destinations/message/<int:message_id>", destinations.message, name="outbound"),
    path("destinations/message/<int:message_id>/content", destinations.content, name="outbound-content"),
    path("destinations/message/<int:message_id>/<slug:verb>", destinations.decide, name="outbound-decide"),
    path("destinations/to/<str:code>", destinations.one, name="destination"),
    path("destinations/to/<str:code>/live", destinations.one_live, name="destination-live"),
    path("destinations/to/<str:code>/again", resending.chosen, name="resend"),
    path("destinations/to/<str:code>/again/order", resending.ordered, name="resend-order"),
    path("destinations/to/<str:code>/probe", probe.ordered, name="destination-probe"),
    path("destinations/to/<str:code>/<slug:verb>", destinations.switch, name="destination-switch"),
    path("exceptions/", exceptions.listed, name="exceptions"),
    path("exceptions/<int:message_id>", exceptions.one, name="exception"),
    path("exceptions/<int:message_id>/rule", rules.make, name="make-rule"),
    path("exceptions/<int:message_id>/<slug:verb>", exceptions.act, name="exception-act"),
    path("exceptions/rules/<int:ruling_id>/end", rules.end, name="end-rule"),
    path("fidelity/", fidelity.listed, name="fidelities"),
    path("fidelity/difference/<int:point_id>", fidelity.difference, name="fidelity-difference"),
    path("fidelity/difference/<int:point_id>/<slug:verb>", fidelity.decide, name="fidelity-decide"),
    path("fidelity/to/<str:code>", fidelity.one, name="fidelity"),
    path("fidelity/to/<str:code>/anew", fidelity.anew, name="fidelity-anew"),
    path("messages/", messages.listed, name="messages"),
    path("messages/<int:message_id>", messages.one, name="message"),
]
