"""Every address is guarded, keeps nothing in a cache, and runs no script but our own."""

import re

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from pasmirror.lib.permissions import MAY, Permission
from tests.factories.desk import PASSWORD, person, signed_in

OPEN = {"sign-in", "sign-out", "home", "banner", "health", "metrics"}  # they show nothing of any patient
IDS = dict.fromkeys(
    (
        "patient_id",
        "stay_id",
        "appointment_id",
        "ward_id",
        "clinic_id",
        "discrepancy_id",
        "message_id",
        "ruling_id",
        "point_id",
        "order_id",
    ),
    1,
)


def addresses(patterns=None):
    for pattern in patterns if patterns is not None else get_resolver().url_patterns:
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns)
        elif isinstance(pattern, URLPattern):
            yield pattern


GUARDED = [pattern for pattern in addresses() if pattern.name not in OPEN]


def where(pattern):
    wanted = pattern.pattern.converters
    return reverse(pattern.name, kwargs={name: IDS.get(name, "pause") for name in wanted})


def test_every_view_names_its_permission():
    assert GUARDED
    for pattern in GUARDED:
        assert isinstance(pattern.callback.permission, Permission), pattern.name


def test_every_permission_has_a_page_but_the_audit_which_comes_later():
    assert {pattern.callback.permission for pattern in GUARDED} == set(Permission) - {Permission.AUDIT}


@pytest.mark.django_db
@pytest.mark.parametrize("pattern", GUARDED, ids=lambda p: p.name)
def test_nobody_is_let_in_without_signing_in(pattern):
    answer = Client().get(where(pattern))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("sign-in"))


@pytest.mark.django_db
@pytest.mark.parametrize("role", sorted(MAY))
def test_a_role_without_the_permission_is_refused(role):
    client = signed_in(role)
    for pattern in GUARDED:
        refused = client.get(where(pattern)).status_code == 403
        assert refused == (pattern.callback.permission not in MAY[role]), pattern.name


@pytest.mark.django_db
def test_a_part_asked_for_after_the_session_ended_moves_the_whole_page():
    answer = Client(headers={"HX-Request": "true"}).get(reverse("console-live"))
    assert answer.status_code == 204
    assert answer["HX-Redirect"] == reverse("sign-in")


@pytest.mark.django_db
def test_no_page_is_kept_and_no_page_holds_inline_script_or_style():
    client = signed_in("clerk")
    for name in ("find", "register", "wards", "clinics"):
        answer = client.get(reverse(name))
        assert answer["Cache-Control"] == "no-store"
        policy = answer["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        text = answer.content.decode()
        assert not re.search(r"<script(?![^>]*\ssrc=)", text)
        assert not re.search(r"\s(style|on[a-z]+|hx-on[^=]*)=", text)
        assert not re.search(r"(src|href|action)=\"(https?:)?//", text)


@pytest.mark.django_db
def test_sign_in_with_a_wrong_password_says_so_and_lets_nobody_in():
    person("clerk")
    client = Client()
    answer = client.post(reverse("sign-in"), {"username": "clerk", "password": "wrong"})
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "The user name or the password is wrong" in text
    assert "<title>Error: " in text
    assert client.get(reverse("find")).status_code == 302


@pytest.mark.django_db
def test_each_role_starts_where_its_work_is_and_sees_its_name():
    for role, start in (("clerk", "find"), ("operator", "console"), ("data_quality", "find")):
        person(role)
        client = Client()
        answer = client.post(reverse("sign-in"), {"username": role, "password": PASSWORD}, follow=True)
        assert answer.redirect_chain[-1][0] == reverse(start)
        assert f"Pat {role.title()}" in answer.content.decode()
        assert client.get(reverse("sign-out")).status_code == 405
        client.post(reverse("sign-out"))
        assert client.get(reverse(start)).status_code == 302


@pytest.mark.django_db
def test_a_form_without_its_token_is_refused_in_plain_words():
    client = signed_in("clerk", enforce_csrf_checks=True)
    answer = client.post(reverse("find"), {"sought": "x"})
    assert answer.status_code == 403
    assert "This page is too old" in answer.content.decode()


@pytest.mark.django_db
def test_what_is_not_there_is_said_plainly():
    answer = signed_in("clerk").get("/patients/987654/")
    assert answer.status_code == 404
    assert "Page not found" in answer.content.decode()
