"""Renders a page, or one part of it for htmx, with the same context; knows no page by name."""

from collections.abc import Mapping
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.template.backends.jinja2 import Jinja2
from django.template.backends.utils import csrf_input_lazy, csrf_token_lazy
from jinja2_fragments import render_block


def page(
    request: HttpRequest, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """Render a whole page."""
    loaded = _engine().get_template(template)
    return HttpResponse(loaded.render(dict(context or {}), request), status=status)


def part(
    request: HttpRequest, template: str, name: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """Render the part `name` of a page alone; a part's id is its name, its block the same with underscores."""
    engine = _engine()
    whole: dict[str, Any] = {
        **(context or {}),
        "request": request,
        "csrf_input": csrf_input_lazy(request),
        "csrf_token": csrf_token_lazy(request),
    }
    for processor in engine.template_context_processors:
        whole.update(processor(request))
    return HttpResponse(render_block(engine.env, template, name.replace("-", "_"), **whole), status=status)


def bare(request: HttpRequest, template: str, *, status: int) -> HttpResponse:
    """Render a page without context processors: for when the database, the session or the view has failed."""
    loaded = _engine().get_template(template)
    return HttpResponse(loaded.render({"path": request.path}), status=status)


def _engine() -> Jinja2:
    return cast(Jinja2, engines["jinja2"])
