"""What the monitor sees and remembers, and the policy it decides by."""

from django.db import models


class Policy(models.Model):
    """The switching policy of the site file; one row. Times in seconds."""

    class How(models.TextChoices):
        """Who decides."""

        AUTOMATIC = "automatic", "the monitor acts"
        CONFIRM = "confirm", "the monitor proposes, a person confirms"
        MANUAL = "manual", "a person acts"

    capture = models.CharField(max_length=10, choices=How, default=How.AUTOMATIC)
    emission = models.CharField(max_length=10, choices=How, default=How.CONFIRM)
    emission_kinds = models.SmallIntegerField(default=2)  # independent kinds of evidence automatic emission needs
    probe_every = models.FloatField(default=2.0)
    probe_timeout = models.FloatField(default=1.5)
    suspect_after = models.IntegerField(default=3)  # failed probes
    down_after = models.FloatField(default=60.0)
    well_after = models.FloatField(default=60.0)
    feed_silent_after = models.FloatField(default=900.0)
    automatic_every = models.FloatField(default=3600.0)  # one automatic emission in this time unless acknowledged
    handback_within = models.FloatField(default=60.0)
    probes = models.JSONField(default=list)  # [{"kind": "tcp"|"mllp"|"http", "host": …, "port": …, "url": …}]

    def __str__(self) -> str:
        return "switching policy"


class Observation(models.Model):
    """The latest word of one observer on one way of looking: up, slow, half, down or unknown."""

    observer = models.CharField(max_length=60)
    way = models.CharField(max_length=20)  # tcp, mllp, http, feed, person
    verdict = models.CharField(max_length=10)
    at = models.DateTimeField()
    since = models.DateTimeField()  # of this verdict
    fails = models.IntegerField(default=0)  # in a row
    detail = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        """One row per observer and way."""

        constraints = [models.UniqueConstraint(fields=["observer", "way"], name="observation_once")]

    def __str__(self) -> str:
        return f"{self.observer}/{self.way}: {self.verdict}"


class Watch(models.Model):
    """The monitor's memory; one row."""

    paused = models.BooleanField(default=False)
    tilt_until = models.DateTimeField(null=True)
    tilt_reason = models.CharField(max_length=200, blank=True, default="")
    down_since = models.DateTimeField(null=True)
    well_since = models.DateTimeField(null=True)
    proposal = models.CharField(max_length=20, blank=True, default="")  # mirror, open, recover
    sentence = models.TextField(blank=True, default="")  # the last beat in one sentence
    beat_at = models.DateTimeField(null=True)
    holder = models.CharField(max_length=100, blank=True, default="")

    def __str__(self) -> str:
        return "watch"
