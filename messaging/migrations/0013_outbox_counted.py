"""What waits and what was accepted last is counted by indexes that hold what is counted; one nobody asked goes."""

import django.db.models.deletion
from django.db import migrations, models

OPEN = models.Q(leg__in=["unreleased", "queued", "sending", "held"])
ACCEPTED = models.Q(leg="accepted")


class Migration(migrations.Migration):
    """Indexes of the outbox only. Its numbers are unique by lane: that index serves whoever asks for the lane alone."""

    dependencies = [("messaging", "0012_probes")]
    operations = [
        migrations.AlterField(
            "outbound",
            "lane",
            models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="messaging.lane"),
        ),
        migrations.RemoveIndex("outbound", "outbound_open"),
        migrations.AddIndex(
            "outbound",
            models.Index(
                fields=["lane", "seq"],
                name="outbound_open",
                condition=OPEN,
                include=["leg", "queued_at", "attempts"],
            ),
        ),
        migrations.AddIndex(
            "outbound",
            models.Index(
                fields=["lane", "seq"], name="outbound_accepted", condition=ACCEPTED, include=["leg", "settled_at"]
            ),
        ),
    ]
