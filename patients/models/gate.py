"""The gate: mode and epoch in one row, which every save reads under the gate's lock."""

from django.db import models

from patients.states import Mode


class Gate(models.Model):
    """Whether clerks may write, and in which epoch. Epochs up to `fenced` are over: nothing is sent for them."""

    scope = models.CharField(max_length=20, unique=True, default="site")
    mode = models.CharField(max_length=10, choices=[(m.value, m.name) for m in Mode], default=Mode.NORMAL)
    epoch = models.IntegerField(default=1)
    fenced = models.IntegerField(default=0)
    since = models.DateTimeField()
    sentence = models.TextField(blank=True, default="")  # why, in one sentence

    class Meta:
        """Mode known; the present epoch is never fenced."""

        constraints = [
            models.CheckConstraint(condition=models.Q(mode__in=[m.value for m in Mode]), name="gate_mode_known"),
            models.CheckConstraint(condition=models.Q(fenced__lt=models.F("epoch")), name="gate_epoch_not_fenced"),
        ]

    def __str__(self) -> str:
        return f"{self.scope}: {self.mode}, epoch {self.epoch}"
