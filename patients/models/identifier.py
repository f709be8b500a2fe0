"""What the identifiers of patients, stays and appointments have in common."""

from django.db import models


class IdentifierRow(models.Model):
    """A number someone gave: type (HL7 table 0203), assigning authority, value, and the period it was valid."""

    type = models.CharField(max_length=10)
    authority = models.CharField(max_length=50, blank=True, default="")
    value = models.CharField(max_length=50)
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)  # null: still valid

    class Meta:
        """Shared columns only."""

        abstract = True

    def __str__(self) -> str:
        return f"{self.type} of {self.authority}"
