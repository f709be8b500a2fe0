"""How well the mirror says what the PAS says: samples, counts, examples, what is accepted; and what is agreed."""

import django.db.models.deletion
from django.db import migrations, models

ID = ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))
VERDICTS = [
    (verdict, verdict)
    for verdict in (
        "same", "missing", "not_deleted", "less", "extra", "deletes", "more", "other", "unsaid", "failed",
    )
]  # fmt: skip


def _point(name: str) -> tuple[str, models.ForeignKey]:
    key = models.ForeignKey(
        on_delete=django.db.models.deletion.CASCADE, related_name=name, to="messaging.fidelitypoint"
    )
    return ("point", key)


class Migration(migrations.Migration):
    """Five tables and a column."""

    dependencies = [("messaging", "0009_lane_policies")]
    operations = [
        migrations.AddField(model_name="destination", name="fidelity_least", field=models.FloatField(default=0.0)),
        migrations.CreateModel(
            name="FidelitySample",
            fields=[
                ID,
                ("message", models.BigIntegerField(unique=True)),
                ("change", models.BigIntegerField()),
                ("ground", models.JSONField()),
            ],
        ),
        migrations.CreateModel(
            name="FidelityPoint",
            fields=[
                ID,
                ("event", models.CharField(max_length=30)),
                ("field", models.CharField(max_length=12)),
                ("verdict", models.CharField(choices=VERDICTS, max_length=12)),
                ("parts", models.CharField(blank=True, default="", max_length=40)),
                (
                    "destination",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="messaging.destination"),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("destination", "event", "field", "verdict", "parts"), name="fidelity_point_once"
                    )
                ]
            },
        ),
        migrations.CreateModel(
            name="FidelityDay",
            fields=[
                ID,
                ("day", models.DateField(db_index=True)),
                ("count", models.IntegerField()),
                _point("days"),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("point", "day"), name="fidelity_day_once")]},
        ),
        migrations.CreateModel(
            name="FidelityExample",
            fields=[
                ID,
                ("message", models.BigIntegerField()),
                ("patient", models.BigIntegerField(null=True)),
                ("theirs", models.CharField(blank=True, default="", max_length=500)),
                ("ours", models.CharField(blank=True, default="", max_length=500)),
                ("at", models.DateTimeField()),
                _point("examples"),
            ],
        ),
        migrations.CreateModel(
            name="FidelityAcceptance",
            fields=[
                ID,
                ("reason", models.CharField(max_length=300)),
                ("by", models.JSONField()),
                ("at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.JSONField(default=dict)),
                _point("acceptances"),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)), fields=("point",), name="fidelity_acceptance_once"
                    )
                ]
            },
        ),
    ]
