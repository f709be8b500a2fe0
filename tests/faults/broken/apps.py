"""The app of a broken build: once everything is loaded it applies the one patch that the settings name."""

from django.apps import AppConfig
from django.conf import settings


class Broken(AppConfig):
    """Present in no run but a self-test's."""

    name = "tests.faults.broken"
    label = "broken_build"

    def ready(self) -> None:
        from tests.faults.broken import builds

        builds.BUILDS[settings.BROKEN]()
