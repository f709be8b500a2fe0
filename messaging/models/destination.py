"""Destinations: the peers we send to, as the site file declares them; and the lane of each."""

from django.db import models


class Destination(models.Model):
    """A declared peer. Nothing is ever sent anywhere else."""

    class PasCopy(models.TextChoices):
        """What becomes of the PAS's own copy of an event that we already told this destination."""

        HELD_AT_TIE = "held_at_tie", "held at the integration engine"
        FILTERED = "filtered", "filtered out by our mark"
        PAS_SILENT = "pas_silent", "the PAS does not repeat what it is told"
        TOLERATED = "tolerated", "arrives twice and is tolerated"

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=100)
    host = models.CharField(max_length=200)
    port = models.IntegerField()
    is_pas = models.BooleanField(default=False)
    dialect = models.CharField(max_length=40, default="uk24")
    events = models.JSONField(default=list)  # empty: all
    wards = models.JSONField(default=list)
    clinics = models.JSONField(default=list)
    sites = models.JSONField(default=list)
    timeout = models.FloatField(default=10.0)  # seconds to wait for an ACK
    retry_after = models.FloatField(default=2.0)  # seconds, doubled each time
    retry_most = models.FloatField(default=60.0)  # seconds
    reject_limit = models.IntegerField(default=10)  # AR this often, then set aside
    pas_copy = models.CharField(max_length=12, choices=PasCopy, default=PasCopy.TOLERATED)
    paused = models.BooleanField(default=False)
    declared = models.BooleanField(default=True)  # false once the site file no longer names it

    class Meta:
        """At most one of them is the PAS."""

        constraints = [
            models.UniqueConstraint(fields=["is_pas"], condition=models.Q(is_pas=True), name="one_pas"),
            models.CheckConstraint(condition=models.Q(port__range=(1, 65535)), name="destination_port"),
        ]

    def __str__(self) -> str:
        return self.code


class Lane(models.Model):
    """The ordered queue of one destination. `head` is the last number given; the lease says who may send."""

    destination = models.OneToOneField(Destination, on_delete=models.PROTECT, primary_key=True)
    head = models.BigIntegerField(default=0)
    token = models.BigIntegerField(default=0)  # fencing token: rises with every claim
    holder = models.CharField(max_length=100, blank=True, default="")  # node:pid:thread
    backend = models.IntegerField(default=0)  # database backend of the holder, ended at a takeover
    until = models.DateTimeField(null=True)  # lease end, by the database's clock
    rest_until = models.DateTimeField(null=True)  # nothing is tried before, after a failure to connect
    failures = models.IntegerField(default=0)  # in a row

    def __str__(self) -> str:
        return f"lane {self.destination_id}"
