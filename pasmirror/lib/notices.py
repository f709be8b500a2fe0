"""Tells the site's hooks of alarms raised and cleared, from the database's rows; knows no alarm by name.

Each notice is told once, and in order for each hook; one of which nobody knows whether it arrived is told again, with
the same id. A hook that does not answer rests, longer each time; what it was not told within a day is given up.
"""

import hashlib
import hmac
import http.client
import json
import smtplib
import socket
import threading
from contextlib import suppress
from typing import Any, cast
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import connection
from django.db.models import F

from pasmirror.lib import clock
from pasmirror.lib.models import Hook, Notice

log = structlog.get_logger()
TIMEOUT = 3.0  # seconds for one request, all of it
LOT = 20  # notices told in one go, and named in one mail
BUSY = 90.0  # seconds a hook is ours for; a lot takes LOT * TIMEOUT at most
REST, REST_MOST = 2.0, 600.0  # seconds after a failure, doubled each time up to the second
KEPT = 86_400.0  # seconds a notice is worth telling


def run_once() -> int:
    """Tell one hook what waits for it, at most a lot; gives how many notices were told. No transaction may be open."""
    _give_up()
    hook = _claim()
    if hook is None:
        return 0
    why = "a fault of our own"
    try:
        rows = Notice.objects.select_related("alarm").filter(hook=hook, state=Notice.State.WAITING)
        waiting = list(rows.order_by("pk")[:LOT])
        told, why = _by_mail(hook, waiting) if hook.kind == Hook.Kind.MAIL else _by_request(hook, waiting)
    finally:
        _let_go(hook, why)
    return told


def signature(body: bytes) -> str:
    """Give what the header X-PASMirror-Signature holds: HMAC-SHA256 of the body, "" where the site has no secret."""
    if not settings.HOOK_SECRET:
        return ""
    return "sha256=" + hmac.new(settings.HOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()


def _by_request(hook: Hook, waiting: list[Notice]) -> tuple[int, str]:
    """Send one request for each; gives how many were taken, and why not more."""
    for count, notice in enumerate(waiting):
        body = json.dumps(_content(notice), ensure_ascii=True, sort_keys=True).encode("ascii")
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "PASMirror",
            "X-PASMirror-Notice": str(notice.pk),
        }
        if signed := signature(body):
            headers["X-PASMirror-Signature"] = signed
        why = _post(hook.url, body, headers)
        _mark([notice], told=not why)
        if why:
            return count, why
    return len(waiting), ""


def _content(notice: Notice) -> dict[str, Any]:
    alarm = notice.alarm
    return {
        "id": notice.pk,
        "what": notice.what,
        "code": alarm.code,
        "subject": alarm.subject,
        "sentence": alarm.sentence,
        "raised_at": clock.iso(alarm.raised_at),
        "cleared_at": clock.iso(alarm.cleared_at) or None,
        "node": settings.NODE,
        "sent_at": clock.iso(clock.now()),
    }


def _post(url: str, body: bytes, headers: dict[str, str]) -> str:
    """POST within `TIMEOUT`, also where the peer answers byte by byte; gives "" for 2xx, else why not. No redirects."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    peer = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
    bound = threading.Timer(TIMEOUT, _cut, [peer])
    bound.daemon = True
    bound.start()
    try:
        peer.request("POST", f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", body, headers)
        status = peer.getresponse().status
    except (OSError, http.client.HTTPException, UnicodeError) as error:  # the last: a host that is no name
        return type(error).__name__
    finally:
        bound.cancel()
        peer.close()
    return "" if 200 <= status < 300 else f"status {status}"


def _cut(peer: http.client.HTTPConnection) -> None:
    sock = peer.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _by_mail(hook: Hook, waiting: list[Notice]) -> tuple[int, str]:
    """Write one mail of all; gives how many it told of, and why not."""
    lines = [
        f"{_at(notice)}  {notice.what}  {notice.alarm.code}  {notice.alarm.subject}\n    {notice.alarm.sentence}"
        for notice in waiting
    ]
    raised = sum(notice.what == Notice.What.RAISED for notice in waiting)
    node = f" {settings.NODE}" if settings.NODE else ""
    subject = f"PAS Mirror{node}: {raised} raised, {len(waiting) - raised} cleared"
    try:
        mail = EmailMessage(subject, "\n".join([*lines, ""]), to=hook.to, connection=get_connection(timeout=TIMEOUT))
        mail.send()
    except (OSError, smtplib.SMTPException) as error:
        _mark(waiting, told=False)
        return 0, type(error).__name__
    _mark(waiting, told=True)
    return len(waiting), ""


def _at(notice: Notice) -> str:
    at = notice.alarm.cleared_at if notice.what == Notice.What.CLEARED else notice.alarm.raised_at
    return (at or notice.at).astimezone(clock.SITE).strftime("%d-%b-%Y %H:%M:%S")


def _claim() -> Hook | None:
    """Take the hook that was told longest ago, of those with something to tell that do not rest and nobody is at."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [BUSY])
        row = cursor.fetchone()
    return Hook.objects.get(pk=row[0]) if row else None


_CLAIM = """
UPDATE lib_hook SET busy_until = clock_timestamp() + %s * interval '1 second'
WHERE id = (
  SELECT h.id FROM lib_hook h
  WHERE h.declared AND coalesce(h.rest_until <= clock_timestamp(), true)
    AND coalesce(h.busy_until <= clock_timestamp(), true)
    AND EXISTS (SELECT FROM lib_notice n WHERE n.hook_id = h.id AND n.state = 'waiting')
  ORDER BY h.busy_until NULLS FIRST, h.id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""


def _let_go(hook: Hook, why: str) -> None:
    failures = hook.failures + 1 if why else 0
    rest = min(REST_MOST, REST * 2.0 ** min(failures - 1, 30)) if why else 0.0
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE lib_hook SET busy_until = clock_timestamp(), failures = %s, "
            "rest_until = clock_timestamp() + %s * interval '1 second' WHERE id = %s",
            [failures, rest, hook.pk],
        )
    if why:
        log.warning("notice.not_told", hook=hook.code, why=why, failures=failures)


def _mark(tried: list[Notice], *, told: bool) -> None:
    """Write down what was tried and whether it was told; what another has settled meanwhile stays so."""
    rows = Notice.objects.filter(pk__in=[notice.pk for notice in tried], state=Notice.State.WAITING)
    if told:
        rows.update(tries=F("tries") + 1, state=Notice.State.TOLD, told_at=clock.now())
    else:
        rows.update(tries=F("tries") + 1)


def _give_up() -> None:
    """Give up what is too old to be worth telling, and what waits for a hook that is declared no more."""
    with connection.cursor() as cursor:
        cursor.execute(_GIVE_UP, [KEPT])
        given_up = cast(list[tuple[str, int]], cursor.fetchall())
    for code, count in given_up:
        log.warning("notice.given_up", hook=code, count=count)


_GIVE_UP = """
WITH ended AS (
  UPDATE lib_notice n SET state = 'given_up' FROM lib_hook h
  WHERE h.id = n.hook_id AND n.state = 'waiting'
    AND (NOT h.declared OR n.at < clock_timestamp() - %s * interval '1 second')
  RETURNING h.code)
SELECT code, count(*) FROM ended GROUP BY code
"""
