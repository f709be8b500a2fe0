"""Adds the role of the integration engineer; going back closes such accounts, since no other role fits them."""

from typing import Any

from django.db import migrations, models

BEFORE = [
    ("clerk", "Ward or clinic clerk"),
    ("operator", "IT operator"),
    ("data_quality", "Data quality"),
    ("auditor", "Auditor"),
]
NOW = [*BEFORE[:3], ("integration", "Integration engineer"), *BEFORE[3:]]


def close(apps: Any, editor: Any) -> None:
    """Close the accounts of integration engineers."""
    apps.get_model("lib", "User").objects.filter(role="integration").update(role="clerk", is_active=False)


class Migration(migrations.Migration):
    """The role, and the constraint that names all."""

    dependencies = [("auth", "0012_alter_user_first_name_max_length"), ("lib", "0002_append_only")]
    operations = [
        migrations.RemoveConstraint(model_name="user", name="user_role_known"),
        migrations.AlterField(
            model_name="user",
            name="role",
            field=models.CharField(choices=NOW, default="clerk", max_length=20),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", [code for code, _ in NOW])), name="user_role_known"
            ),
        ),
        migrations.RunPython(migrations.RunPython.noop, close),
    ]
