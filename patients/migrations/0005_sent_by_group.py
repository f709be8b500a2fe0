"""How old each group of a patient's facts is: a column that is empty in the rows there are, so none is rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One column."""

    dependencies = [("patients", "0004_movements")]
    operations = [migrations.AddField("patient", "sent", models.JSONField(null=True))]
