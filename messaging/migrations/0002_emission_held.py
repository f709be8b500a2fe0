"""Puts the emission switch in its place: held."""

from django.db import migrations


class Migration(migrations.Migration):
    """One row."""

    dependencies = [("messaging", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "INSERT INTO messaging_emission (valve, since, by, reason) VALUES ('held', now(), '{}', 'never opened')",
            migrations.RunSQL.noop,
        ),
    ]
