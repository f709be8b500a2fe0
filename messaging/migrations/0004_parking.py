"""Whom a parked message holds, and rulings; what is parked already holds its patient."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Two tables."""

    dependencies = [("messaging", "0003_channels")]
    operations = [
        migrations.CreateModel(
            name="Hold",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("message", models.BigIntegerField(db_index=True)),
                ("patient", models.BigIntegerField(db_index=True, null=True)),
                ("type", models.TextField(blank=True, default="")),
                ("authority", models.TextField(blank=True, default="")),
                ("value", models.TextField(blank=True, default="")),
            ],
        ),
        migrations.CreateModel(
            name="Ruling",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sender", models.CharField(max_length=120)),
                ("trigger", models.CharField(max_length=20)),
                ("code", models.CharField(max_length=40)),
                ("reason", models.CharField(max_length=300)),
                ("by", models.JSONField()),
                ("made_at", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.JSONField(default=dict)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)),
                        fields=("sender", "trigger", "code"),
                        name="ruling_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("until__gt", models.F("made_at"))), name="ruling_ends_later"
                    ),
                ]
            },
        ),
        migrations.RunSQL(
            "INSERT INTO messaging_hold (message, patient, type, authority, value) "
            "SELECT id, patient, '', '', '' FROM messaging_inbound WHERE outcome = 'parked' AND patient IS NOT NULL",
            migrations.RunSQL.noop,
        ),
    ]
