"""Lets a message wait for another channel."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One column, and an index for those few that wait."""

    dependencies = [("messaging", "0002_emission_held")]
    operations = [
        migrations.AddField("inbound", "waiting_since", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "inbound",
            models.Index(
                fields=["channel", "number"],
                name="inbound_waiting",
                condition=models.Q(outcome="stored", waiting_since__isnull=False),
            ),
        ),
    ]
