"""Who waits behind a message that is set aside, and what a person has ruled to set aside without asking."""

from django.db import models


class Hold(models.Model):
    """A parked message holds a patient, or a number that is nobody's yet: what comes later for these waits."""

    message = models.BigIntegerField(db_index=True)
    patient = models.BigIntegerField(null=True, db_index=True)
    type = models.TextField(blank=True, default="")
    authority = models.TextField(blank=True, default="")
    value = models.TextField(blank=True, default="")

    class Meta:
        """Found by patient, and where there is none, by number."""

        indexes = [models.Index(fields=["value"], name="hold_of_number", condition=models.Q(patient__isnull=True))]

    def __str__(self) -> str:
        return f"hold of inbound {self.message}"


class NumberNamed(models.Model):
    """A number in a message that a person settled while nobody had it; so that the message is found by it still."""

    message = models.BigIntegerField()
    value = models.TextField(db_index=True)

    def __str__(self) -> str:
        return f"number in inbound {self.message}"


class Ruling(models.Model):
    """A person's word that such messages of a sender need nobody: filed instead of parked, until a day."""

    sender = models.CharField(max_length=120)  # MSH-3|MSH-4
    trigger = models.CharField(max_length=20)
    code = models.CharField(max_length=40)
    reason = models.CharField(max_length=300)
    by = models.JSONField()
    made_at = models.DateTimeField()
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)  # by a person, before its day
    ended_by = models.JSONField(default=dict)

    class Meta:
        """One at a time for the same messages; it ends after it began."""

        constraints = [
            models.UniqueConstraint(
                fields=["sender", "trigger", "code"], condition=models.Q(ended_at=None), name="ruling_once"
            ),
            models.CheckConstraint(condition=models.Q(until__gt=models.F("made_at")), name="ruling_ends_later"),
        ]

    def __str__(self) -> str:
        return f"ruling {self.pk}: {self.trigger} {self.code}"
