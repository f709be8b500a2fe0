"""The health page: proven by work (the database answers, how long the oldest entry waits), not by being started."""

from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, JsonResponse

TAIL_YOUNG = 60  # seconds; an older tail means that nobody numbers what clerks save


def health(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the database answers and the tail is young, else 503; holds no patient data."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float FROM patients_journaltail"
            )
            tail = float(cursor.fetchone()[0])
    except (DatabaseError, InterfaceError):
        return JsonResponse({"database": "away"}, status=503)
    young = tail < TAIL_YOUNG
    body = {"database": "answers", "tail_seconds": round(tail, 1), "well": young}
    return JsonResponse(body, status=200 if young else 503)
