"""Alarms: what needs a person's eye, until it is mended or acknowledged."""

from django.db import models


class Alarm(models.Model):
    """One standing fault; raised once per code and subject, cleared by whoever sees it mended."""

    code = models.CharField(max_length=40)
    subject = models.CharField(max_length=60, blank=True, default="")
    sentence = models.TextField()
    raised_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        """One open alarm per code and subject."""

        constraints = [
            models.UniqueConstraint(
                fields=["code", "subject"], condition=models.Q(cleared_at=None), name="alarm_open_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.subject}"
