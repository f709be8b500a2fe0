"""Addresses of the console and of the differences to settle."""

from django.urls import path

from failover.views import console, discrepancies

urlpatterns = [
    path("console/", console.console, name="console"),
    path("console/live", console.live, name="console-live"),
    path("console/sign-holds", console.sign_holds, name="sign-holds"),
    path("console/do/<slug:verb>", console.act, name="act"),
    path("discrepancies/", discrepancies.listed, name="discrepancies"),
    path("discrepancies/<int:discrepancy_id>", discrepancies.one, name="discrepancy"),
]
