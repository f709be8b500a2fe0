"""Plans, leave and attendances of a stay; its course beside the trunk; what the PAS calls an appointment; documents."""

import django.db.models.deletion
from django.db import migrations, models

STATUS = [
    ("expected", "EXPECTED"),
    ("attending", "ATTENDING"),
    ("in", "IN"),
    ("out", "OUT"),
    ("cancelled", "CANCELLED"),
]
APPOINTMENT = [
    ("booked", "BOOKED"),
    ("arrived", "ARRIVED"),
    ("attended", "ATTENDED"),
    ("did_not_attend", "MISSED"),
    ("cancelled", "CANCELLED"),
]
AWAY = [("", "NO"), ("leave", "LEAVE"), ("temporary", "TEMPORARY")]


def text(length: int) -> models.CharField:  # type: ignore[type-arg]
    """Give a column that may be empty."""
    return models.CharField(blank=True, default="", max_length=length)


class Migration(migrations.Migration):
    """Columns, a table and a wider constraint."""

    dependencies = [("patients", "0003_identity")]
    operations = [
        *(
            migrations.AddField("stay", name, models.DateTimeField(null=True))
            for name in (
                "admission_expected_at",
                "discharge_expected_at",
                "pending_at",
                "away_since",
                "back_expected_at",
            )
        ),
        *(
            migrations.AddField("stay", name, text(100))
            for name in ("pending_ward", "pending_bay", "pending_bed", "away_to")
        ),
        migrations.AddField("stay", "away", models.CharField(blank=True, default="", max_length=10, choices=AWAY)),
        migrations.AlterField("stay", "status", models.CharField(choices=STATUS, max_length=10)),
        migrations.RemoveConstraint("stay", "stay_status_agrees_with_times"),
        migrations.AddConstraint(
            "stay",
            models.CheckConstraint(
                condition=models.Q(discharged_at=None, status__in=("expected", "attending", "in"))
                | models.Q(status__in=("out", "cancelled")),
                name="stay_status_agrees_with_times",
            ),
        ),
        migrations.AlterField("movement", "event", models.CharField(max_length=30)),
        migrations.AddField("movement", "undoes", models.JSONField(default=list)),
        migrations.AddField("trunk", "steps", models.JSONField(default=list)),
        migrations.AddField("appointment", "status_words", text(50)),
        migrations.AlterField("appointment", "status", models.CharField(choices=APPOINTMENT, max_length=20)),
        migrations.CreateModel(
            name="Document",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.CharField(max_length=200)),
                ("replaces", text(200)),
                ("kind", text(100)),
                ("title", text(200)),
                ("written_at", models.DateTimeField(null=True)),
                ("author", text(200)),
                ("status", text(20)),
                ("form", text(40)),
                ("text", models.TextField(blank=True, default="")),
                ("withdrawn", models.BooleanField(default=False)),
                ("sent_at", models.DateTimeField(null=True)),
                ("message", models.BigIntegerField(default=0)),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="documents", to="patients.patient"
                    ),
                ),
            ],
            options={
                "ordering": ["-written_at", "-id"],
                "constraints": [models.UniqueConstraint(fields=("patient", "number"), name="document_once")],
            },
        ),
    ]
