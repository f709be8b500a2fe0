"""Keys of requests already carried out, so that a repeat is answered and not repeated."""

from django.db import models


class IdempotencyKey(models.Model):
    """One form's key: who used it, when, and what came of it."""

    key = models.UUIDField(primary_key=True)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()
    digest = models.CharField(max_length=64)  # of what was asked for: a key is good for that alone
    result = models.JSONField(null=True)

    def __str__(self) -> str:
        return str(self.key)
