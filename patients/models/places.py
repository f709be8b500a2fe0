"""The organisation, its sites, wards and beds, and which of them a person works on."""

from django.conf import settings
from django.db import models


class Organisation(models.Model):
    """The trust this mirror serves; one row, put there by the site file."""

    ods = models.CharField(max_length=10)
    name = models.CharField(max_length=200)
    authority = models.CharField(max_length=50)  # assigning authority of the PAS's hospital numbers
    site_file = models.TextField(blank=True, default="")  # as last applied
    applied_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.ods


class Site(models.Model):
    """One hospital site by its ODS code."""

    ods = models.CharField(max_length=10, unique=True)
    name = models.CharField(max_length=200)

    def __str__(self) -> str:
        return self.ods


class Ward(models.Model):
    """A ward by its local code. `listed` is false for a code only ever seen in the feed."""

    code = models.CharField(max_length=100, unique=True)
    name = models.CharField(max_length=200)
    site = models.CharField(max_length=100, blank=True, default="")
    specialty = models.CharField(max_length=50, blank=True, default="")
    listed = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.code


class Bed(models.Model):
    """A bed of a ward; its row is what taking the bed locks. Who lies in it stands in Stay alone."""

    ward = models.ForeignKey(Ward, on_delete=models.CASCADE, related_name="beds")
    bay = models.CharField(max_length=100, blank=True, default="")
    bed = models.CharField(max_length=100)
    closed = models.BooleanField(default=False)

    class Meta:
        """One row per bed."""

        constraints = [models.UniqueConstraint(fields=["ward", "bay", "bed"], name="bed_once")]

    def __str__(self) -> str:
        return f"bed {self.pk}"


class Assignment(models.Model):
    """A person works on this ward or in this clinic (one of the two)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    ward = models.ForeignKey(Ward, on_delete=models.CASCADE, null=True)
    clinic = models.ForeignKey("patients.Clinic", on_delete=models.CASCADE, null=True)

    class Meta:
        """Either a ward or a clinic."""

        constraints = [
            models.CheckConstraint(
                condition=models.Q(ward=None, clinic__isnull=False) | models.Q(ward__isnull=False, clinic=None),
                name="assignment_ward_or_clinic",
            )
        ]

    def __str__(self) -> str:
        return f"assignment {self.pk}"
