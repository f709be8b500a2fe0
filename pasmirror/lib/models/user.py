"""Accounts: one role each, and what a role may do."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class Role(models.TextChoices):
    """What a person is here for; `MAY` in pasmirror.lib.permissions says what each may do."""

    CLERK = "clerk", "Ward or clinic clerk"
    OPERATOR = "operator", "IT operator"
    DATA_QUALITY = "data_quality", "Data quality"
    INTEGRATION = "integration", "Integration engineer"
    AUDITOR = "auditor", "Auditor"


class User(AbstractUser):
    """An account of this mirror; the subject in every change and audit row is its user name."""

    role = models.CharField(max_length=20, choices=Role, default=Role.CLERK)

    class Meta(AbstractUser.Meta):
        """A role outside the list is refused by the database."""

        constraints = [models.CheckConstraint(condition=models.Q(role__in=Role.values), name="user_role_known")]
