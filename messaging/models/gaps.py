"""How quiet each feed usually is, by the hour of the week."""

from django.db import models

from messaging.models.inbound import Channel


class FeedHour(models.Model):
    """One hour of the week (0: from Monday midnight at the site) of a channel: its longest silence, week by week."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE)
    hour = models.IntegerField()
    longest = models.JSONField(default=list)  # seconds, oldest first
    learned_at = models.DateTimeField()  # when the newest hour learned began

    class Meta:
        """One row per channel and hour of the week."""

        constraints = [
            models.UniqueConstraint(fields=["channel", "hour"], name="feed_hour_once"),
            models.CheckConstraint(condition=models.Q(hour__range=(0, 167)), name="feed_hour_of_week"),
        ]

    def __str__(self) -> str:
        return f"channel {self.channel_id}, hour {self.hour}"


class FeedNumbers(models.Model):
    """How far a channel has been looked through for missing control ids, and which are missing."""

    channel = models.OneToOneField(Channel, on_delete=models.CASCADE, primary_key=True)
    looked = models.BigIntegerField()  # number of the newest message looked at
    holes = models.JSONField(default=list)  # messaging.gaps.Hole and when it was found, oldest first

    def __str__(self) -> str:
        return f"numbers of channel {self.channel_id}"
