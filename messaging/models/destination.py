"""Destinations: the peers we send to, as the site file declares them; and the lane of each."""

from django.db import models

from messaging.states import AckMode, AtLimit, Holds, OnNoApplicationAnswer, OnRefusal, OnUnknownAnswer


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
    tls = models.JSONField(default=dict)  # files and names, as messaging.mllp.tls.ClientTls; empty: plain MLLP
    ack_mode = models.CharField(max_length=10, choices=AckMode, default=AckMode.ORIGINAL)
    timeout = models.FloatField(default=10.0)  # seconds to wait for an ACK
    application_timeout = models.FloatField(default=30.0)  # seconds from CA to the application's answer
    retry_after = models.FloatField(default=2.0)  # seconds, doubled each time
    retry_most = models.FloatField(default=60.0)  # seconds
    reject_limit = models.IntegerField(default=10)  # refused this often and tried again, then at_limit
    at_limit = models.CharField(max_length=10, choices=AtLimit, default=AtLimit.SET_ASIDE)
    on_ae = models.CharField(max_length=10, choices=OnRefusal, default=OnRefusal.HOLD)  # AE and CE
    on_ar = models.CharField(max_length=10, choices=OnRefusal, default=OnRefusal.RETRY)  # AR and CR
    on_unknown_answer = models.CharField(max_length=10, choices=OnUnknownAnswer, default=OnUnknownAnswer.RETRY)
    on_no_application_answer = models.CharField(
        max_length=10, choices=OnNoApplicationAnswer, default=OnNoApplicationAnswer.RETRY
    )
    no_answer_limit = models.IntegerField(default=20)  # unanswered this often, others are tried; 0: never
    holds = models.CharField(max_length=10, choices=Holds, default=Holds.PATIENT)
    min_interval = models.FloatField(default=0.0)  # seconds between two sends
    shadow = models.BooleanField(default=False)  # rehearsed: written, recorded, never sent
    pas_copy = models.CharField(max_length=12, choices=PasCopy, default=PasCopy.TOLERATED)
    fidelity_least = models.FloatField(default=0.0)  # percent, of each event; emission opens only at that. 0: any
    backlog_limit = models.IntegerField(default=1000)  # messages not ended, above which there is an alarm; 0: none
    wait_limit = models.FloatField(default=600.0)  # seconds the oldest may wait, likewise; 0: for ever
    probe = models.JSONField(default=dict)  # of whom a probe speaks, as messaging.conformance.Person
    paused = models.BooleanField(default=False)
    declared = models.BooleanField(default=True)  # false once the site file no longer names it

    class Meta:
        """At most one of them is the PAS."""

        constraints = [
            models.UniqueConstraint(fields=["is_pas"], condition=models.Q(is_pas=True), name="one_pas"),
            models.CheckConstraint(condition=models.Q(port__range=(1, 65535)), name="destination_port"),
            models.CheckConstraint(condition=models.Q(is_pas=False) | models.Q(shadow=False), name="pas_is_no_shadow"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def longest_send(self) -> float:
        """Seconds that one send may take, all its answers included."""
        return self.timeout + (self.application_timeout if self.ack_mode == AckMode.ENHANCED else 0.0)


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
    next_at = models.DateTimeField(null=True)  # nothing is sent before, by the destination's least interval
    suspect = models.BigIntegerField(null=True)  # a held message that may be what silences the peer
    filtered = models.BigIntegerField(default=0, db_default=0)  # changes that the destination's filter kept from it
    paused_since = models.DateTimeField(null=True)  # by a person; the site file has a `paused` of its own
    paused_by = models.JSONField(default=dict, db_default={})
    paused_reason = models.CharField(max_length=300, blank=True, default="", db_default="")

    class Meta:
        """A pause has its author."""

        constraints = [
            models.CheckConstraint(
                condition=models.Q(paused_since=None) | ~models.Q(paused_reason=""), name="lane_paused_with_reason"
            )
        ]

    def __str__(self) -> str:
        return f"lane {self.destination_id}"
