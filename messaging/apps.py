"""The Django app `messaging`."""

from django.apps import AppConfig


class MessagingConfig(AppConfig):
    """Registers `messaging`."""

    name = "messaging"
    default_auto_field = "django.db.models.BigAutoField"
