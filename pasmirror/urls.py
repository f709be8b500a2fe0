"""Addresses: signing in, the mode banner, health and figures here; the desk and the console in their apps."""

from django.urls import include, path

from pasmirror import signing
from pasmirror.health import health
from pasmirror.metrics import metrics

urlpatterns = [
    path("", signing.home, name="home"),
    path("sign-in", signing.SignIn.as_view(), name="sign-in"),
    path("sign-out", signing.SignOut.as_view(), name="sign-out"),
    path("banner", signing.banner, name="banner"),
    path("health", health, name="health"),
    path("metrics", metrics, name="metrics"),
    path("", include("patients.urls")),
    path("", include("messaging.urls")),
    path("", include("failover.urls")),
]
handler500 = "pasmirror.signing.fault"
