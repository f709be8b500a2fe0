"""Merged, removed and linked records; retired numbers, by which merged-away records are still found."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Columns, a table and two indexes."""

    dependencies = [("patients", "0002_append_only_and_gate")]
    operations = [
        migrations.CreateModel(
            name="PatientLink",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[("linked", "linked by the PAS"), ("mother", "the mother")], max_length=10
                    ),
                ),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField(null=True)),
                (
                    "other",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="linked_by", to="patients.patient"
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="links", to="patients.patient"
                    ),
                ),
            ],
        ),
        migrations.AddField(model_name="patient", name="merged_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="patient", name="removed_at", field=models.DateTimeField(null=True)),
        migrations.AddIndex(
            model_name="patientidentifier",
            index=models.Index(
                condition=models.Q(("until__isnull", False)), fields=["value"], name="patient_number_retired"
            ),
        ),
        migrations.AddIndex(
            model_name="stayidentifier",
            index=models.Index(
                condition=models.Q(("until__isnull", False)), fields=["value"], name="stay_number_retired"
            ),
        ),
        migrations.AddConstraint(
            model_name="patientlink",
            constraint=models.UniqueConstraint(
                condition=models.Q(("until", None)), fields=("patient", "other", "kind"), name="patient_link_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="patientlink",
            constraint=models.CheckConstraint(
                condition=models.Q(("patient", models.F("other")), _negated=True), name="patient_link_to_another"
            ),
        ),
    ]
