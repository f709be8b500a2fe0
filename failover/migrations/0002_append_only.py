"""Makes mode moves and signatures append-only."""

from django.db import migrations

from pasmirror.lib.append_only import refuse_changes


class Migration(migrations.Migration):
    """The triggers."""

    dependencies = [("failover", "0001_initial"), ("lib", "0002_append_only")]
    operations = [refuse_changes("failover_modemove"), refuse_changes("failover_signature")]
