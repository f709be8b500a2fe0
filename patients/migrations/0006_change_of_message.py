"""Finds what a message of the feed changed by the message; what a first load or a clerk changed is not indexed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One index."""

    dependencies = [("patients", "0005_sent_by_group")]
    operations = [
        migrations.AddIndex(
            model_name="change",
            index=models.Index(
                fields=["origin"], name="change_of_message", condition=models.Q(("origin__startswith", "feed:"))
            ),
        )
    ]
