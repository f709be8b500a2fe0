"""Where alarms are told outside of the screens, and what is still to be told there."""

import django.db.models.deletion
from django.db import migrations, models

ID = ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))


class Migration(migrations.Migration):
    """Two tables."""

    dependencies = [("lib", "0003_integration_role")]
    operations = [
        migrations.CreateModel(
            name="Hook",
            fields=[
                ID,
                ("code", models.CharField(max_length=40, unique=True)),
                (
                    "kind",
                    models.CharField(choices=[("webhook", "by an HTTP request"), ("mail", "by mail")], max_length=10),
                ),
                ("url", models.CharField(blank=True, default="", max_length=500)),
                ("to", models.JSONField(default=list)),
                ("alarms", models.JSONField(default=list)),
                ("declared", models.BooleanField(default=True)),
                ("failures", models.IntegerField(default=0)),
                ("rest_until", models.DateTimeField(null=True)),
                ("busy_until", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "webhook"), models.Q(("url", ""), _negated=True)),
                            models.Q(("kind", "mail"), models.Q(("to", []), _negated=True)),
                            _connector="OR",
                        ),
                        name="hook_has_an_address",
                    )
                ]
            },
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ID,
                ("what", models.CharField(choices=[("raised", "raised"), ("cleared", "cleared")], max_length=10)),
                ("at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "not told yet"), ("told", "told"), ("given_up", "given up")],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("tries", models.IntegerField(default=0)),
                ("told_at", models.DateTimeField(null=True)),
                ("alarm", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="lib.alarm")),
                ("hook", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="lib.hook")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("hook", "alarm", "what"), name="notice_once")],
                "indexes": [
                    models.Index(condition=models.Q(("state", "waiting")), fields=["hook", "id"], name="notice_waiting")
                ],
            },
        ),
    ]
