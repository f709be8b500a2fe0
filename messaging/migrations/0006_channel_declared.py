"""Marks the feeds that the site file names; one that it named no more had lost its policy until now."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One column; backwards, a feed that is not declared loses its policy again."""

    dependencies = [("messaging", "0005_feed_hours")]
    operations = [
        migrations.AddField("channel", "declared", models.BooleanField(default=True)),
        migrations.RunSQL(
            "UPDATE messaging_channel SET declared = false WHERE policy = '{}'",
            "UPDATE messaging_channel SET policy = '{}' WHERE NOT declared",
        ),
    ]
