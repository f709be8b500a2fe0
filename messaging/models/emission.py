"""The emission switch, and the incarnation that keeps MSH-10 unique for ever."""

from django.db import models

from messaging.states import Valve


class Emission(models.Model):
    """Whether the mirror speaks for the PAS; one row."""

    valve = models.CharField(max_length=5, choices=Valve, default=Valve.HELD)
    since = models.DateTimeField()
    by = models.JSONField(default=dict)
    reason = models.CharField(max_length=300, blank=True, default="")

    def __str__(self) -> str:
        return f"emission {self.valve}"


class Incarnation(models.Model):
    """One life of the database: a restore or another timeline begins the next."""

    number = models.IntegerField(primary_key=True)
    system_identifier = models.BigIntegerField()
    timeline = models.IntegerField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"incarnation {self.number}"
