"""The Django app `patients`."""

from django.apps import AppConfig


class PatientsConfig(AppConfig):
    """Registers `patients`."""

    name = "patients"
    default_auto_field = "django.db.models.BigAutoField"
