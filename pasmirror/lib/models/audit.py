"""The audit trail: rows written with what they tell of, linked into a chain by the sequencer."""

from django.db import models


class AuditRow(models.Model):
    """One thing someone did or looked at. Append-only."""

    at = models.DateTimeField()
    actor = models.JSONField()
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=60, blank=True, default="", db_index=True)  # "patient:17"
    change = models.BigIntegerField(null=True)  # the Change this tells of, if one
    epoch = models.IntegerField(null=True)
    detail = models.JSONField(default=dict)

    class Meta:
        """Read newest first."""

        ordering = ["-id"]

    def __str__(self) -> str:
        return f"audit {self.pk} {self.action}"


class AuditTail(models.Model):
    """An audit row not yet linked; written with it, deleted with its link."""

    row = models.OneToOneField(AuditRow, on_delete=models.DO_NOTHING, primary_key=True, db_constraint=False)

    def __str__(self) -> str:
        return f"unlinked audit {self.pk}"


class AuditLink(models.Model):
    """One link of the chain: digest = SHA-256(previous digest + canonical JSON of the row). Append-only."""

    seq = models.BigIntegerField(primary_key=True)
    row = models.OneToOneField(AuditRow, on_delete=models.DO_NOTHING, db_constraint=False)
    digest = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"audit link {self.seq}"
