"""Orders to send again, the resync list, and what of the outbox is sent again by order."""

import django.db.models.deletion
from django.db import migrations, models

ID = ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))


def _key(to: str, **more: object) -> models.ForeignKey:
    return models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to=to, **more)


class Migration(migrations.Migration):
    """Two tables, three columns; what is unique among messages is so among originals."""

    dependencies = [("messaging", "0010_fidelity")]
    operations = [
        migrations.CreateModel(
            name="ResendOrder",
            fields=[
                ID,
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("range", "Messages by their numbers"),
                            ("epoch", "All of an epoch"),
                            ("unwritten", "All that could not be written"),
                            ("resync", "The resync list"),
                        ],
                        max_length=10,
                    ),
                ),
                ("first", models.BigIntegerField(default=0)),
                ("last", models.BigIntegerField(default=0)),
                ("epoch", models.IntegerField(default=0)),
                ("alike", models.CharField(blank=True, default="", max_length=300)),
                ("by", models.JSONField()),
                ("reason", models.CharField(max_length=300)),
                ("at", models.DateTimeField()),
                ("next", models.BigIntegerField(default=0)),
                ("upto", models.BigIntegerField()),
                ("same", models.IntegerField(default=0)),
                ("current", models.IntegerField(default=0)),
                ("left_out", models.IntegerField(default=0)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ending", models.CharField(blank=True, default="", max_length=300)),
                ("destination", _key("messaging.destination")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("destination",), condition=models.Q(ended_at=None), name="resend_order_open_once"
                    ),
                    models.CheckConstraint(condition=~models.Q(reason=""), name="resend_order_with_reason"),
                ]
            },
        ),
        migrations.CreateModel(
            name="ResyncPatient",
            fields=[
                ID,
                ("patient", models.BigIntegerField()),
                ("epoch", models.IntegerField()),
                ("at", models.DateTimeField()),
                ("destination", _key("messaging.destination")),
                ("order", _key("messaging.resendorder", null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("destination", "patient"), condition=models.Q(order=None), name="resync_patient_once"
                    )
                ]
            },
        ),
        migrations.AddField("outbound", "order", _key("messaging.resendorder", null=True, db_index=False)),
        migrations.AddField("outbound", "again", _key("messaging.outbound", null=True, db_index=False)),
        migrations.AddField("outbound", "snapshot", models.BooleanField(default=False, db_default=False)),
        migrations.RemoveConstraint("outbound", "outbound_change_once"),
        migrations.RemoveConstraint("outbound", "outbound_control_id_once"),
        migrations.AddConstraint(
            "outbound",
            models.UniqueConstraint(
                fields=("lane", "change"), condition=models.Q(order=None), name="outbound_change_once"
            ),
        ),
        migrations.AddConstraint(
            "outbound",
            models.UniqueConstraint(
                fields=("control_id",),
                condition=~models.Q(control_id="") & (models.Q(order=None) | models.Q(snapshot=True)),
                name="outbound_control_id_once",
            ),
        ),
        migrations.AddConstraint(
            "outbound",
            models.UniqueConstraint(
                fields=("order", "again"),
                condition=models.Q(order__isnull=False, snapshot=False),
                name="outbound_again_once",
            ),
        ),
        migrations.AddConstraint(
            "outbound",
            models.CheckConstraint(
                condition=models.Q(order__isnull=False) | models.Q(again=None, snapshot=False),
                name="outbound_again_by_order",
            ),
        ),
        migrations.AddIndex(
            "outbound",
            models.Index(fields=["order"], name="outbound_of_order", condition=models.Q(order__isnull=False)),
        ),
        migrations.AddIndex(
            "outbound",
            models.Index(fields=["again"], name="outbound_again", condition=models.Q(again__isnull=False)),
        ),
    ]
