"""Downtime numbers: blocks reserved with the PAS, one number to one thing, never to two."""

from django.db import models

from patients.facts import Kind


class NumberPool(models.Model):
    """A block `next`..`last` for one kind, written as prefix + zero-padded number; `node` and `use` split blocks."""

    kind = models.CharField(max_length=20, choices=[(k.value, k.value) for k in Kind])
    type = models.CharField(max_length=10)
    authority = models.CharField(max_length=50)
    prefix = models.CharField(max_length=20, blank=True, default="")
    width = models.SmallIntegerField(default=6)
    next = models.BigIntegerField()
    last = models.BigIntegerField()
    low_water = models.IntegerField(default=100)
    check_digit = models.CharField(max_length=10, blank=True, default="")  # "" or "mod11"
    node = models.CharField(max_length=50, blank=True, default="")
    use = models.CharField(max_length=10, default="screen")  # screen or paper

    class Meta:
        """A block never runs past its end by more than one (empty: next = last + 1)."""

        constraints = [
            models.CheckConstraint(condition=models.Q(next__lte=models.F("last") + 1), name="pool_within_block"),
            models.UniqueConstraint(fields=["authority", "type", "prefix", "last"], name="pool_block_once"),
        ]

    def __str__(self) -> str:
        return f"pool {self.pk} for {self.kind}"
