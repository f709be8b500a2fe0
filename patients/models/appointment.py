"""Clinics, their weekly sessions, the slots these make, and appointments."""

from django.db import models

from patients.models.identifier import IdentifierRow
from patients.models.patient import Patient
from patients.states import AppointmentStatus


class Clinic(models.Model):
    """A clinic by its local code. `listed` is false for a code only ever seen in the feed."""

    code = models.CharField(max_length=100, unique=True)
    name = models.CharField(max_length=200)
    site = models.CharField(max_length=100, blank=True, default="")
    specialty = models.CharField(max_length=50, blank=True, default="")
    listed = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.code


class Session(models.Model):
    """A clinic's hours on one weekday (0 is Monday), local time, cut into slots of `minutes` with `places` each."""

    clinic = models.ForeignKey(Clinic, on_delete=models.CASCADE, related_name="sessions")
    weekday = models.SmallIntegerField()
    starts = models.TimeField()
    ends = models.TimeField()
    minutes = models.SmallIntegerField(default=30)
    places = models.SmallIntegerField(default=1)

    class Meta:
        """Hours make sense."""

        constraints = [
            models.CheckConstraint(condition=models.Q(weekday__range=(0, 6)), name="session_weekday"),
            models.CheckConstraint(condition=models.Q(ends__gt=models.F("starts")), name="session_hours"),
            models.CheckConstraint(condition=models.Q(minutes__gte=5, places__gte=1), name="session_slots"),
        ]

    def __str__(self) -> str:
        return f"session {self.pk}"


class Slot(models.Model):
    """One bookable moment of a clinic; its row is what a booking locks."""

    clinic = models.ForeignKey(Clinic, on_delete=models.CASCADE, related_name="slots")
    starts_at = models.DateTimeField()
    minutes = models.SmallIntegerField()
    places = models.SmallIntegerField(default=1)

    class Meta:
        """One slot per clinic and moment."""

        constraints = [models.UniqueConstraint(fields=["clinic", "starts_at"], name="slot_once")]

    def __str__(self) -> str:
        return f"slot {self.pk}"


class Appointment(models.Model):
    """One booking. Columns bear the names in `patients.facts`."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="appointments")
    clinic = models.CharField(max_length=100, blank=True, default="")
    starts_at = models.DateTimeField(null=True)
    minutes = models.SmallIntegerField(default=0)
    appointment_type = models.CharField(max_length=100, blank=True, default="")
    reason = models.CharField(max_length=200, blank=True, default="")
    status = models.CharField(max_length=20, choices=[(s.value, s.name) for s in AppointmentStatus if s])
    status_words = models.CharField(max_length=50, blank=True, default="")  # what the PAS calls it (SCH-25)
    version = models.IntegerField(default=1)

    class Meta:
        """Looked up by clinic and time."""

        indexes = [models.Index(fields=["clinic", "starts_at"], name="appointment_when")]

    def __str__(self) -> str:
        return f"appointment {self.pk}"


class AppointmentIdentifier(IdentifierRow):
    """A placer or filler id (SCH-1, SCH-2) of an appointment."""

    appointment = models.ForeignKey(Appointment, on_delete=models.PROTECT, related_name="identifiers")

    class Meta:
        """A booking number names one appointment."""

        constraints = [
            models.UniqueConstraint(
                fields=["value", "authority", "type"],
                condition=models.Q(until=None),
                name="appointment_identifier_once",
            )
        ]
