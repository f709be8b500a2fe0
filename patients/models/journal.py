"""The journal: one append-only Change for every change of the record; its tail; and what became of each."""

from django.db import models

from patients.models.patient import Patient


class Change(models.Model):
    """What changed, before and after, who, when, in which epoch; `facts` is everything needed to tell of it later.

    `before` and `after` map kind -> group -> values for the groups that changed. `facts` maps kind -> groups whole,
    and "<kind>_ids" -> identifiers as [type, authority, value]. Append-only.
    """

    event = models.CharField(max_length=30)
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="changes")
    stay = models.BigIntegerField(null=True)
    appointment = models.BigIntegerField(null=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    facts = models.JSONField(default=dict)
    source = models.CharField(max_length=10, choices=[("clerk", "Clerk"), ("feed", "Feed")])
    origin = models.CharField(max_length=80)  # screen:register, feed:<message id>, form:<number>
    actor = models.JSONField()
    epoch = models.IntegerField()
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        """A patient's history is read newest first; an epoch's in order; a message's by the message."""

        indexes = [
            models.Index(fields=["patient", "-id"], name="change_of_patient"),
            models.Index(fields=["epoch", "id"], name="change_of_epoch", condition=models.Q(source="clerk")),
            models.Index(fields=["origin"], name="change_of_message", condition=models.Q(origin__startswith="feed:")),
        ]

    def __str__(self) -> str:
        return f"change {self.pk} {self.event}"


class JournalTail(models.Model):
    """A clerk's change that has no lane number yet; written with it, deleted by the sequencer."""

    change = models.OneToOneField(Change, on_delete=models.DO_NOTHING, primary_key=True, db_constraint=False)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"unnumbered change {self.pk}"


class Fate(models.TextChoices):
    """What became of a change at one destination, as the patient's page tells it."""

    QUEUED = "queued", "waiting to be sent"
    SENT = "sent", "sent, no answer yet"
    ACCEPTED = "accepted", "received"
    HELD = "held", "needs a person"
    LEFT_TO_PAS = "left_to_pas", "the PAS will tell them"
    CONFIRMED = "confirmed", "in the PAS"
    WITHDRAWN = "withdrawn", "not told: a person decided otherwise"


class ChangeFate(models.Model):
    """One change at one destination; written by the apps above, read by the patient's page."""

    change = models.ForeignKey(Change, on_delete=models.DO_NOTHING, related_name="fates", db_constraint=False)
    destination = models.CharField(max_length=40)
    fate = models.CharField(max_length=12, choices=Fate)
    at = models.DateTimeField()
    reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        """One row per change and destination."""

        constraints = [models.UniqueConstraint(fields=["change", "destination"], name="change_fate_once")]

    def __str__(self) -> str:
        return f"change {self.change_id} at {self.destination}: {self.fate}"
