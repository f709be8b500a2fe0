"""What came in: every frame raw, numbered per channel, with its answer and its outcome."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models

from messaging.states import Outcome


class Channel(models.Model):
    """One declared feed: `last` is the number of its newest message, given under this row's lock."""

    code = models.CharField(max_length=40, unique=True)
    last = models.BigIntegerField(default=0)
    received_at = models.DateTimeField(null=True)  # when the newest message came
    clock_ahead = models.FloatField(default=0.0)  # seconds the sender's clock runs before ours, learned
    policy = models.JSONField(default=dict)  # the site file's [feed], as messaging.hl7.habits reads it
    declared = models.BooleanField(default=True)  # false once the site file no longer names it

    def __str__(self) -> str:
        return self.code


class Inbound(models.Model):
    """One frame as received. Nothing holds a foreign key into this table, so that it can be partitioned by month."""

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT)
    number = models.BigIntegerField()
    received_at = models.DateTimeField()
    peer = models.CharField(max_length=60)
    raw = models.BinaryField()
    sender = models.CharField(max_length=120, blank=True, default="")  # MSH-3|MSH-4
    control_id = models.CharField(max_length=60, blank=True, default="")
    trigger = models.CharField(max_length=20, blank=True, default="")
    sent_at = models.DateTimeField(null=True)  # MSH-7
    answer = models.BinaryField()
    waiting_since = models.DateTimeField(null=True)  # it waits (or waited) for another channel
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.STORED)
    code = models.CharField(max_length=40, blank=True, default="")
    reason = models.CharField(max_length=300, blank=True, default="")
    warnings = models.JSONField(default=list)
    patient = models.BigIntegerField(null=True)
    change = models.BigIntegerField(null=True)
    applied_at = models.DateTimeField(null=True)

    class Meta:
        """Taken in channel order; parked ones found by patient."""

        constraints = [models.UniqueConstraint(fields=["channel", "number"], name="inbound_number_once")]
        indexes = [
            models.Index(fields=["channel", "number"], name="inbound_to_apply", condition=models.Q(outcome="stored")),
            models.Index(
                fields=["channel", "number"],
                name="inbound_waiting",
                condition=models.Q(outcome="stored", waiting_since__isnull=False),
            ),
            models.Index(fields=["patient"], name="inbound_parked", condition=models.Q(outcome="parked")),
            models.Index(fields=["received_at"], name="inbound_refused", condition=models.Q(outcome="refused")),
            models.Index(fields=["control_id"], name="inbound_control_id"),
            BrinIndex(
                fields=["received_at"], autosummarize=True, name="inbound_received"
            ),  # rows lie in the order they came
            models.Index(fields=["patient"], name="inbound_of_patient", condition=models.Q(patient__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"inbound {self.pk} {self.trigger}"


class MessageKey(models.Model):
    """What makes a message the same one: sender, MSH-10 and digest. Its own table, never partitioned."""

    sender = models.CharField(max_length=120)
    control_id = models.CharField(max_length=60)
    digest = models.BinaryField(max_length=32)
    message = models.BigIntegerField()
    repeats = models.IntegerField(default=0)

    class Meta:
        """The de-duplication itself."""

        constraints = [models.UniqueConstraint(fields=["sender", "control_id", "digest"], name="message_key_once")]

    def __str__(self) -> str:
        return f"key of inbound {self.message}"
