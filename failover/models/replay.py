"""The way back, change by change: how each ended, and the differences a person must settle."""

from django.db import models

from failover.models.incident import Incident


class Replay(models.Model):
    """One captured change on its way to the PAS. The ledger counts these."""

    class End(models.TextChoices):
        """How a change ended at the PAS."""

        WAITING = "waiting", "not yet compared"
        SENT = "sent", "released to the PAS, not yet confirmed"
        CONFIRMED = "confirmed", "in the PAS"
        ALREADY = "already", "was already there"
        SUPERSEDED = "superseded", "a later change says it all"
        VOIDED = "voided", "withdrawn by a person"
        HELD = "held", "open; a person must settle it"

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="replays")
    change = models.BigIntegerField(unique=True)
    patient = models.BigIntegerField()
    end = models.CharField(max_length=10, choices=End, default=End.WAITING)
    reason = models.CharField(max_length=300, blank=True, default="")
    forced = models.BooleanField(default=False)  # a person decided to keep the mirror's value over the PAS's
    behind = models.BigIntegerField(null=True)  # the held change this one waits behind
    told = models.JSONField(default=list)  # destinations we had told when it was released
    released_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    confirmed_by = models.CharField(max_length=60, blank=True, default="")  # inbound:<id>, query, person:<name>

    class Meta:
        """Open ones by patient, in order of change."""

        indexes = [models.Index(fields=["incident", "patient", "change"], name="replay_order")]

    def __str__(self) -> str:
        return f"replay of change {self.change}: {self.end}"


class Discrepancy(models.Model):
    """A difference nobody but a person may settle: trunk, ours and theirs of one group."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="discrepancies")
    change = models.BigIntegerField()
    patient = models.BigIntegerField()
    kind = models.CharField(max_length=20)
    group = models.CharField(max_length=20)
    trunk = models.JSONField(default=dict)
    ours = models.JSONField(default=dict)
    theirs = models.JSONField(default=dict)
    sentence = models.CharField(max_length=300)
    raised_at = models.DateTimeField()
    decision = models.CharField(max_length=12, blank=True, default="")  # keep_mirror, keep_pas, void
    decided_by = models.JSONField(default=dict)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        """One open discrepancy per change and group."""

        constraints = [models.UniqueConstraint(fields=["change", "kind", "group"], name="discrepancy_once")]

    def __str__(self) -> str:
        return f"discrepancy {self.pk}"
