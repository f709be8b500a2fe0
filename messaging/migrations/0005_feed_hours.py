"""Adds how quiet each feed usually is by hour of the week, and finds messages by time and by patient."""

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """The table and the two indexes."""

    dependencies = [
        ("messaging", "0004_parking"),
    ]

    operations = [
        migrations.CreateModel(
            name="FeedHour",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hour", models.IntegerField()),
                ("longest", models.JSONField(default=list)),
                ("learned_at", models.DateTimeField()),
            ],
        ),
        migrations.AddIndex(
            model_name="inbound",
            index=django.contrib.postgres.indexes.BrinIndex(
                autosummarize=True, fields=["received_at"], name="inbound_received"
            ),
        ),
        migrations.AddIndex(
            model_name="inbound",
            index=models.Index(
                condition=models.Q(("patient__isnull", False)), fields=["patient"], name="inbound_of_patient"
            ),
        ),
        migrations.AddField(
            model_name="feedhour",
            name="channel",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="messaging.channel"),
        ),
        migrations.AddConstraint(
            model_name="feedhour",
            constraint=models.UniqueConstraint(fields=("channel", "hour"), name="feed_hour_once"),
        ),
        migrations.AddConstraint(
            model_name="feedhour",
            constraint=models.CheckConstraint(condition=models.Q(("hour__range", (0, 167))), name="feed_hour_of_week"),
        ),
    ]
