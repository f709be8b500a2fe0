"""The heartbeat rows of our own processes: health proven by work done, not by a pid."""

from django.db import models


class ProcessBeat(models.Model):
    """The last beat of one process: when, and one English sentence of what it did."""

    name = models.CharField(max_length=40)
    node = models.CharField(max_length=100)
    pid = models.IntegerField()
    at = models.DateTimeField()
    sentence = models.TextField(blank=True, default="")

    class Meta:
        """One row per process and machine."""

        constraints = [models.UniqueConstraint(fields=["name", "node"], name="process_beat_once")]

    def __str__(self) -> str:
        return f"{self.name}@{self.node}"
