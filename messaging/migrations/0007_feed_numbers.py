"""Keeps how far each feed has been looked through for missing control ids, and which are missing."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """The table."""

    dependencies = [
        ("messaging", "0006_channel_declared"),
    ]

    operations = [
        migrations.CreateModel(
            name="FeedNumbers",
            fields=[
                (
                    "channel",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="messaging.channel",
                    ),
                ),
                ("looked", models.BigIntegerField()),
                ("holes", models.JSONField(default=list)),
            ],
        ),
    ]
