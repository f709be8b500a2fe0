"""Makes the audit trail and its chain append-only."""

from django.db import migrations

from pasmirror.lib.append_only import refuse_changes


class Migration(migrations.Migration):
    """The triggers."""

    dependencies = [("lib", "0001_initial")]
    operations = [refuse_changes("lib_auditrow"), refuse_changes("lib_auditlink")]
