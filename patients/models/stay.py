"""The stay: an inpatient spell or an attendance, and its movements."""

from django.db import models

from patients.models.identifier import IdentifierRow
from patients.models.patient import Patient
from patients.states import Away, StayStatus


class Stay(models.Model):
    """One stay; where the patient is stands here and nowhere else. Columns bear the names in `patients.facts`."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="stays")
    status = models.CharField(max_length=10, choices=[(s.value, s.name) for s in StayStatus if s])
    ward = models.CharField(max_length=100, blank=True, default="")
    bay = models.CharField(max_length=100, blank=True, default="")
    bed = models.CharField(max_length=100, blank=True, default="")
    site = models.CharField(max_length=100, blank=True, default="")
    consultant = models.CharField(max_length=50, blank=True, default="")
    consultant_name = models.CharField(max_length=100, blank=True, default="")
    specialty = models.CharField(max_length=50, blank=True, default="")
    patient_class = models.CharField(max_length=10, blank=True, default="")
    admission_method = models.CharField(max_length=20, blank=True, default="")
    admission_source = models.CharField(max_length=50, blank=True, default="")
    discharge_method = models.CharField(max_length=20, blank=True, default="")
    discharge_destination = models.CharField(max_length=50, blank=True, default="")
    admission_expected_at = models.DateTimeField(null=True)
    discharge_expected_at = models.DateTimeField(null=True)
    pending_ward = models.CharField(max_length=100, blank=True, default="")
    pending_bay = models.CharField(max_length=100, blank=True, default="")
    pending_bed = models.CharField(max_length=100, blank=True, default="")
    pending_at = models.DateTimeField(null=True)  # when the patient is to move there
    away = models.CharField(max_length=10, blank=True, default="", choices=[(a.value, a.name) for a in Away])
    away_to = models.CharField(max_length=100, blank=True, default="")
    away_since = models.DateTimeField(null=True)
    back_expected_at = models.DateTimeField(null=True)
    admitted_at = models.DateTimeField(null=True)
    discharged_at = models.DateTimeField(null=True)
    moved_at = models.DateTimeField(null=True)  # when the movement that set the place happened
    version = models.IntegerField(default=1)

    class Meta:
        """Times agree with the status; a discharge is never before its admission."""

        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=("expected", "attending", "in"), discharged_at=None)
                | models.Q(status__in=("out", "cancelled")),
                name="stay_status_agrees_with_times",
            ),
            models.CheckConstraint(
                condition=models.Q(discharged_at=None)
                | models.Q(admitted_at=None)
                | models.Q(discharged_at__gte=models.F("admitted_at")),
                name="stay_ends_after_it_begins",
            ),
        ]
        indexes = [
            models.Index(fields=["ward", "bed"], name="stay_in_ward", condition=models.Q(status="in")),
        ]

    def __str__(self) -> str:
        return f"stay {self.pk}"


class StayIdentifier(IdentifierRow):
    """A visit number (PV1-19) of a stay."""

    stay = models.ForeignKey(Stay, on_delete=models.PROTECT, related_name="identifiers")

    class Meta:
        """A visit number names one stay."""

        constraints = [
            models.UniqueConstraint(
                fields=["value", "authority", "type"], condition=models.Q(until=None), name="stay_identifier_once"
            )
        ]
        indexes = [
            models.Index(fields=["value"], name="stay_number_retired", condition=models.Q(until__isnull=False)),
        ]


class Movement(models.Model):
    """One step of a stay, ordered by when it happened (EVN-6). Append-only.

    `undoes`: the rows that no longer stand, because this step cancels them or tells them anew.
    """

    stay = models.ForeignKey(Stay, on_delete=models.PROTECT, related_name="movements")
    event = models.CharField(max_length=30)
    occurred_at = models.DateTimeField()
    ward = models.CharField(max_length=100, blank=True, default="")
    bay = models.CharField(max_length=100, blank=True, default="")
    bed = models.CharField(max_length=100, blank=True, default="")
    site = models.CharField(max_length=100, blank=True, default="")
    change = models.BigIntegerField()
    undoes = models.JSONField(default=list)

    class Meta:
        """History in the order it happened."""

        ordering = ["occurred_at", "id"]

    def __str__(self) -> str:
        return f"{self.event} of stay {self.stay_id}"
