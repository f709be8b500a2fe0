"""The Django app of the wiring: it has commands and no models, and makes Celery's app the current one."""

from django.apps import AppConfig


class PasmirrorConfig(AppConfig):
    """Registers `pasmirror`."""

    name = "pasmirror"

    def ready(self) -> None:
        """Let code below, which may not import us, ring by Celery's current app."""
        from pasmirror import celery  # noqa: F401
