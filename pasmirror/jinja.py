"""The template environment: the NHS macros beside our own pages, and how staff read names, dates and numbers."""

from typing import Any

import jinja2
from django.templatetags.static import static
from django.urls import reverse

from messaging import gaps
from messaging.selectors import exceptions
from pasmirror.lib import clock
from pasmirror.lib.permissions import Permission, may
from patients import codes, cui
from patients.forms.base import today


def environment(*, loader: jinja2.BaseLoader, **options: Any) -> jinja2.Environment:
    """Make the environment; an attribute of something missing is missing too, as the NHS macros expect."""
    options["undefined"] = jinja2.ChainableUndefined
    env = jinja2.Environment(  # noqa: S701  (autoescape comes with Django's options)
        loader=jinja2.ChoiceLoader([loader, jinja2.PackageLoader("nhsuk_frontend_jinja")]),
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
        **options,
    )
    env.globals.update(static=static, url=_url, may=may, Permission=Permission, codes=codes, now=clock.now, today=today)
    env.globals.update(set_aside=exceptions.of_patient)
    env.filters.update(
        cui_name=lambda who: cui.name(who.family, who.given, getattr(who, "title", "")),
        day=cui.day, hm=cui.time, hms=cui.clock_time, moment=cui.moment, nhs=cui.nhs,
        born=lambda text, died="": cui.born(text, today(), died),
        age=lambda text, died="": cui.age(text, today(), died),
        stayed=lambda since: cui.stayed(since, clock.now()),
        silence=gaps.minutes,
        ago=lambda at: cui.ago(at, clock.now()),
        words=lambda code, name: codes.words(getattr(codes, name), code),
    )  # fmt: skip
    return env


def _url(name: str, *args: Any) -> str:
    return reverse(name, args=args)
