"""Hooks: where alarms are told outside of the screens; and what is still to be told there."""

from django.db import models

from pasmirror.lib.models.alarm import Alarm


class Hook(models.Model):
    """One place that is told of alarms, as the site file declares it. Times by the database's clock."""

    class Kind(models.TextChoices):
        """How it is told."""

        WEBHOOK = "webhook", "by an HTTP request"
        MAIL = "mail", "by mail"

    code = models.CharField(max_length=40, unique=True)
    kind = models.CharField(max_length=10, choices=Kind)
    url = models.CharField(max_length=500, blank=True, default="")  # may hold a secret of the receiver: never shown
    to = models.JSONField(default=list)  # mail addresses
    alarms = models.JSONField(default=list)  # codes; empty: all
    declared = models.BooleanField(default=True)  # false once the site file no longer names it
    failures = models.IntegerField(default=0)  # in a row
    rest_until = models.DateTimeField(null=True)  # nothing is tried before, after a failure
    busy_until = models.DateTimeField(null=True)  # somebody is telling it until then at the latest

    class Meta:
        """A webhook has an address, mail has somebody to go to."""

        constraints = [
            models.CheckConstraint(
                condition=(models.Q(kind="webhook") & ~models.Q(url="")) | (models.Q(kind="mail") & ~models.Q(to=[])),
                name="hook_has_an_address",
            )
        ]

    def __str__(self) -> str:
        return self.code


class Notice(models.Model):
    """One alarm raised or cleared, for one hook; written with it, told afterwards."""

    class What(models.TextChoices):
        """What became of the alarm."""

        RAISED = "raised", "raised"
        CLEARED = "cleared", "cleared"

    class State(models.TextChoices):
        """Whether it was told."""

        WAITING = "waiting", "not told yet"
        TOLD = "told", "told"
        GIVEN_UP = "given_up", "given up"

    hook = models.ForeignKey(Hook, on_delete=models.PROTECT)
    alarm = models.ForeignKey(Alarm, on_delete=models.PROTECT)
    what = models.CharField(max_length=10, choices=What)
    at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    tries = models.IntegerField(default=0)
    told_at = models.DateTimeField(null=True)

    class Meta:
        """Each is told once; what waits is found in order."""

        constraints = [models.UniqueConstraint(fields=["hook", "alarm", "what"], name="notice_once")]
        indexes = [models.Index(fields=["hook", "id"], name="notice_waiting", condition=models.Q(state="waiting"))]

    def __str__(self) -> str:
        return f"notice {self.pk} {self.what}"
