"""Probes of destinations, what their lanes' alarms ask for, and indexes by which lanes are counted cheaply."""

import django.db.models.deletion
from django.db import migrations, models

ENDED = ["set_aside", "left_to_pas", "skipped", "shadowed"]


class Migration(migrations.Migration):
    """A table, three columns, two partial indexes of the outbox."""

    dependencies = [("messaging", "0011_resends")]
    operations = [
        migrations.AddField("destination", "backlog_limit", models.IntegerField(default=1000)),
        migrations.AddField("destination", "wait_limit", models.FloatField(default=600.0)),
        migrations.AddField("destination", "probe", models.JSONField(default=dict)),
        migrations.CreateModel(
            name="Probe",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("by", models.JSONField()),
                ("reason", models.CharField(max_length=300)),
                ("confirmed", models.BooleanField(default=False)),
                ("ordered_at", models.DateTimeField()),
                ("begun_at", models.DateTimeField(null=True)),
                ("until", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("answers", models.JSONField(default=list)),
                ("ending", models.CharField(blank=True, default="", max_length=200)),
                (
                    "destination",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="probes", to="messaging.destination"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)), fields=("destination",), name="probe_one_at_a_time"
                    ),
                    models.CheckConstraint(condition=models.Q(("reason", ""), _negated=True), name="probe_with_reason"),
                ]
            },
        ),
        migrations.AddIndex(
            "outbound",
            models.Index(fields=["lane", "leg"], name="outbound_ended_otherwise", condition=models.Q(leg__in=ENDED)),
        ),
        migrations.AddIndex(
            "outbound",
            models.Index(
                fields=["lane"], name="outbound_repeated", condition=models.Q(attempts__gt=1), include=["attempts"]
            ),
        ),
    ]
