"""Watches our own certificates towards destinations: until when each is good, and the alarm before one ends."""

from datetime import datetime, timedelta

from messaging.mllp import tls
from messaging.models import Destination
from pasmirror.lib import alarms, clock

ALARM = "destination-certificate-ends"
SOON = timedelta(days=30)


def good_until() -> dict[str, datetime | None]:
    """Give, for each declared destination we show a certificate to, until when ours is good; None: unreadable."""
    declared = Destination.objects.filter(declared=True).exclude(tls={}).order_by("code")
    found = {to.code: tls.ClientTls.of(to.tls) for to in declared}
    return {code: tls.good_until(secured.cert) for code, secured in found.items() if secured and secured.cert}


def watch() -> None:
    """Sound an alarm for each that ends soon or cannot be read, and clear those that stand for others."""
    wrong = {}
    for code, until in good_until().items():
        if until is None:
            wrong[code] = f"Our certificate towards {code} cannot be read: nothing can be sent to it."
        elif until - clock.now() < SOON:
            wrong[code] = f"Our certificate towards {code} is good until {until:%d %B %Y}: renew it."
    for code, sentence in wrong.items():
        alarms.sound(ALARM, sentence, subject=code)
    for alarm in alarms.standing():
        if alarm.code == ALARM and alarm.subject not in wrong:
            alarms.clear(ALARM, subject=alarm.subject)
