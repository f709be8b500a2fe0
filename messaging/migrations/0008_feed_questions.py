"""Keeps whose number was named by a message settled while nobody had it, and counts what was refused by an index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One table and two indexes."""

    dependencies = [("messaging", "0007_feed_numbers")]
    operations = [
        migrations.CreateModel(
            name="NumberNamed",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("message", models.BigIntegerField()),
                ("value", models.TextField(db_index=True)),
            ],
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(fields=["value"], name="hold_of_number", condition=models.Q(("patient__isnull", True))),
        ),
        migrations.AddIndex(
            model_name="inbound",
            index=models.Index(
                fields=["received_at"], name="inbound_refused", condition=models.Q(("outcome", "refused"))
            ),
        ),
    ]
