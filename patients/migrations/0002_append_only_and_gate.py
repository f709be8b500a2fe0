"""Makes journal and movements append-only, counts temporary numbers, puts the gate in place: NORMAL, epoch 1."""

from django.db import migrations

from pasmirror.lib.append_only import refuse_changes


class Migration(migrations.Migration):
    """The triggers and the row."""

    dependencies = [("patients", "0001_initial"), ("lib", "0002_append_only")]
    operations = [
        refuse_changes("patients_change"),
        refuse_changes("patients_movement"),
        migrations.RunSQL("CREATE SEQUENCE patients_temporary_number", "DROP SEQUENCE patients_temporary_number"),
        migrations.RunSQL(
            "INSERT INTO patients_gate (scope, mode, epoch, fenced, since, sentence) "
            "VALUES ('site', 'normal', 1, 0, now(), 'The PAS is master.') ON CONFLICT DO NOTHING",
            migrations.RunSQL.noop,
        ),
    ]
