"""The patient: who they are, their numbers, alerts, and the last segments the PAS sent of them."""

from django.db import models
from django.db.models.functions import Upper

from patients.models.identifier import IdentifierRow

BORN = r"^(\d{4}(-\d{2}(-\d{2})?)?)?$"


class Patient(models.Model):
    """One person of the record; columns bear the names in `patients.facts`. `version` rises with every write."""

    family = models.CharField(max_length=100, blank=True, default="")
    given = models.CharField(max_length=100, blank=True, default="")
    middle = models.CharField(max_length=100, blank=True, default="")
    title = models.CharField(max_length=35, blank=True, default="")
    born = models.CharField(max_length=10, blank=True, default="")  # may be partial: 1954, 1954-11
    sex = models.CharField(max_length=10, blank=True, default="")
    nhs_number = models.CharField(max_length=20, blank=True, default="")
    nhs_status = models.CharField(max_length=10, blank=True, default="")
    line1 = models.CharField(max_length=200, blank=True, default="")
    line2 = models.CharField(max_length=200, blank=True, default="")
    town = models.CharField(max_length=100, blank=True, default="")
    county = models.CharField(max_length=100, blank=True, default="")
    postcode = models.CharField(max_length=20, blank=True, default="")
    gp = models.CharField(max_length=200, blank=True, default="")
    practice = models.CharField(max_length=200, blank=True, default="")
    phone = models.CharField(max_length=100, blank=True, default="")
    mobile = models.CharField(max_length=100, blank=True, default="")
    email = models.CharField(max_length=200, blank=True, default="")
    dead = models.BooleanField(default=False)
    died_at = models.CharField(max_length=32, blank=True, default="")
    ethnic = models.CharField(max_length=20, blank=True, default="")
    marital = models.CharField(max_length=20, blank=True, default="")
    religion = models.CharField(max_length=50, blank=True, default="")
    language = models.CharField(max_length=20, blank=True, default="")

    version = models.IntegerField(default=1)
    restricted = models.BooleanField(default=False)
    provisional = models.BooleanField(default=False)  # created from news of a person we should have known
    merged_into = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="merged")
    merged_at = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)  # when the PAS said it no longer keeps this record; ours stays
    heard_at = models.DateTimeField(null=True)  # when the feed last spoke of this patient
    sent_at = models.DateTimeField(null=True)  # MSH-7 of the newest demographics applied
    sent = models.JSONField(null=True)  # the same for each group; null in older rows: `sent_at` holds for all
    made_at = models.DateTimeField()

    class Meta:
        """Searched by name, birth, NHS number and postcode."""

        constraints = [
            models.CheckConstraint(condition=models.Q(born__regex=BORN), name="patient_born_is_partial_date"),
            models.CheckConstraint(condition=models.Q(version__gte=1), name="patient_version_positive"),
        ]
        indexes = [
            models.Index(Upper("family"), Upper("given"), name="patient_name"),
            models.Index(fields=["born"], name="patient_born"),
            models.Index(fields=["nhs_number"], name="patient_nhs", condition=~models.Q(nhs_number="")),
            models.Index(Upper("postcode"), name="patient_postcode"),
        ]

    def __str__(self) -> str:
        return f"patient {self.pk}"


class PatientIdentifier(IdentifierRow):
    """A hospital number of a patient. One valid number names one patient, whoever merges whom.

    A number retired by a merge goes to the survivor, so that it still says whose news it is.
    """

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="identifiers")

    class Meta:
        """A number is nobody else's while it is valid."""

        constraints = [
            models.UniqueConstraint(
                fields=["value", "authority", "type"],
                condition=models.Q(until=None),
                name="patient_identifier_once",
            )
        ]
        indexes = [
            models.Index(fields=["value"], name="patient_number_retired", condition=models.Q(until__isnull=False)),
        ]


class PatientLink(models.Model):
    """Two records that belong together: as the PAS links them (A24), or a newborn (`patient`) and the mother."""

    kind = models.CharField(max_length=10, choices=[("linked", "linked by the PAS"), ("mother", "the mother")])
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="links")
    other = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="linked_by")
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)  # null: still linked

    class Meta:
        """Once while it holds, and never to oneself."""

        constraints = [
            models.UniqueConstraint(
                fields=["patient", "other", "kind"], condition=models.Q(until=None), name="patient_link_once"
            ),
            models.CheckConstraint(condition=~models.Q(patient=models.F("other")), name="patient_link_to_another"),
        ]

    def __str__(self) -> str:
        return f"patient {self.patient_id}: {self.kind} {self.other_id}"


class Alert(models.Model):
    """A coded alert: an allergy or an infection, and who says so."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="alerts")
    kind = models.CharField(max_length=20, choices=[("allergy", "Allergy"), ("infection", "Infection")])
    code = models.CharField(max_length=50, blank=True, default="")
    text = models.CharField(max_length=200, blank=True, default="")
    source = models.CharField(max_length=50)
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"alert {self.pk}"


class LastSegments(models.Model):
    """The segments the PAS last sent of a patient (stay 0) or of one of their stays, raw, for overlay."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE)
    stay = models.BigIntegerField(default=0)
    segments = models.JSONField(default=list)
    message = models.BigIntegerField(default=0)

    class Meta:
        """One row per patient and stay."""

        constraints = [models.UniqueConstraint(fields=["patient", "stay"], name="last_segments_once")]

    def __str__(self) -> str:
        return f"segments of patient {self.patient_id}"
