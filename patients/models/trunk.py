"""The trunk: what the PAS is known to hold of each object, beside what we hold."""

from django.db import models

from patients.facts import Kind


class Trunk(models.Model):
    """Per object: `held` = facts by group the PAS last told us (or confirmed); `branch` = groups changed here.

    `branch` maps a group to the id of the last Change of it that the PAS has not confirmed. The feed moves `held`
    always, and the record only for groups outside `branch`.
    """

    kind = models.CharField(max_length=20, choices=[(k.value, k.value) for k in Kind])
    object_id = models.BigIntegerField()
    held = models.JSONField(default=dict)
    branch = models.JSONField(default=dict)
    steps = models.JSONField(default=list)  # of a stay: its course as the PAS told it (patients.course)
    moved_at = models.DateTimeField(null=True)
    """Of a stay: when the movement behind `held` place happened; of an appointment: when it was last spoken of."""
    message = models.BigIntegerField(default=0)  # the inbound message that last moved it; 0: a query or replay
    heard_at = models.DateTimeField(null=True)

    class Meta:
        """One row per object."""

        constraints = [models.UniqueConstraint(fields=["kind", "object_id"], name="trunk_once")]

    def __str__(self) -> str:
        return f"trunk of {self.kind} {self.object_id}"
