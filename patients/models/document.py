"""Letters and reports the PAS sent of a patient (MDM), as far as they are text."""

from django.db import models

from patients.models.patient import Patient


class Document(models.Model):
    """One document in its present version. Columns bear the names of the facts in news of it.

    `text` is what came as text; of a document that came as a file or by reference, `form` says what it was.
    """

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="documents")
    number = models.CharField(max_length=200)  # TXA-12, with its authority where one was named
    replaces = models.CharField(max_length=200, blank=True, default="")  # TXA-13
    kind = models.CharField(max_length=100, blank=True, default="")  # TXA-2
    title = models.CharField(max_length=200, blank=True, default="")
    written_at = models.DateTimeField(null=True)  # TXA-8, 7, 6, 4: the first there is
    author = models.CharField(max_length=200, blank=True, default="")
    status = models.CharField(max_length=20, blank=True, default="")  # TXA-17: AU is authenticated
    form = models.CharField(max_length=40, blank=True, default="")  # text, or the type of what was not kept
    text = models.TextField(blank=True, default="")
    withdrawn = models.BooleanField(default=False)
    sent_at = models.DateTimeField(null=True)  # MSH-7 of the message behind this version
    message = models.BigIntegerField(default=0)  # that message

    class Meta:
        """A document number is one document of a patient."""

        constraints = [models.UniqueConstraint(fields=["patient", "number"], name="document_once")]
        ordering = ["-written_at", "-id"]

    def __str__(self) -> str:
        return f"document {self.pk}"
