"""Sign in and out, each with its audit row; and where a person starts."""

import sys
from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from pasmirror import banner as mode
from pasmirror.lib import audit, pages
from pasmirror.lib.away import is_away
from pasmirror.lib.permissions import Permission, actor_of, may
from pasmirror.middleware import away


class SignInForm(AuthenticationForm):
    """User name and password."""

    error_messages = {
        "invalid_login": "The user name or the password is wrong. Check both and try again",
        "inactive": "This account is closed",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "%s")
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "User name"
        self.fields["username"].error_messages["required"] = "Enter your user name"
        self.fields["username"].widget.attrs.update({"width": 20, "autocomplete": "username"})
        self.fields["password"].error_messages["required"] = "Enter your password"

    @property
    def asks(self) -> list[tuple[str, str]]:
        """Give each error as (field name, text); a wrong pair points at the user name."""
        return [
            ("username" if name == "__all__" else name, str(text))
            for name, texts in self.errors.items()
            for text in texts
        ]


class SignIn(LoginView):
    """The sign-in page."""

    template_name = "sign-in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Begin the session and write that it began."""
        with transaction.atomic():
            response = super().form_valid(form)
            audit.record(action="signed_in", by=actor_of(form.get_user()))
        return response


class SignOut(LogoutView):
    """Ends the session; by POST only."""

    http_method_names = ["post", "options"]
    next_page = "sign-in"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """End the session and write that it ended."""
        if request.user.is_authenticated:
            audit.record(action="signed_out", by=actor_of(request.user))
        return super().post(request, *args, **kwargs)


def home(request: HttpRequest) -> HttpResponseBase:
    """Send each role to where its work begins."""
    if not request.user.is_authenticated:
        return redirect("sign-in")
    return redirect("find" if may(request.user, Permission.READ) else "console")


def banner(request: HttpRequest) -> HttpResponse:
    """Give the mode banner alone; it holds the mode and the age of the data, nothing of anybody."""
    return pages.part(request, "base.html", "mode-banner", {"banner": mode.now})


def fault(request: HttpRequest) -> HttpResponse:
    """Answer a fault of ours, without asking database or session for anything."""
    why = sys.exc_info()[1]
    if why and is_away(why):
        return away(request, why)
    return pages.bare(request, "500.html", status=500)
