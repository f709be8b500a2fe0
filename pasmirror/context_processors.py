"""What every page can ask for: the mode banner. Asked only when drawn, so that parts cost nothing."""

from collections.abc import Callable

from django.http import HttpRequest

from pasmirror import banner as mode


def banner(request: HttpRequest) -> dict[str, Callable[[], mode.Banner]]:
    """Give `banner()` to the templates."""
    return {"banner": mode.now}
