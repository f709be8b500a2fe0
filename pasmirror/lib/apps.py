"""The Django app of the bottom: accounts, audit, idempotency keys and process heartbeats."""

from django.apps import AppConfig


class LibConfig(AppConfig):
    """Registers `pasmirror.lib` under the short label `lib`."""

    name = "pasmirror.lib"
    label = "lib"
    default_auto_field = "django.db.models.BigAutoField"
