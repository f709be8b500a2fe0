"""Who throws a switch is a named person with a password; anybody else is refused, and it is kept."""

import pytest

from failover.services import switch
from pasmirror.lib.models import AuditRow, Role, User
from patients.refusals import Refused

pytestmark = pytest.mark.django_db


def person(role: str = Role.OPERATOR, **more: object) -> User:
    return User.objects.create_user("olive", password="right horse", role=role, **more)


def test_the_right_password_names_the_person():
    person()
    by = switch.confirm_person("olive", "right horse")
    assert (by.subject, by.role, by.how) == ("olive", "operator", "password again")


@pytest.mark.parametrize(
    ("role", "active", "name", "password"),
    [
        (Role.OPERATOR, True, "olive", "wrong"),
        (Role.OPERATOR, True, "olive", ""),
        (Role.OPERATOR, True, "nobody", "right horse"),
        (Role.OPERATOR, False, "olive", "right horse"),
        (Role.CLERK, True, "olive", "right horse"),
    ],
)
def test_anybody_else_is_refused_and_it_is_kept(role: str, active: bool, name: str, password: str):
    person(role, is_active=active)
    with pytest.raises(Refused):
        switch.confirm_person(name, password)
    row = AuditRow.objects.get(action="confirmation_refused")
    assert row.actor["subject"] == ("olive" if name == "olive" else "unknown")
    assert "horse" not in str(row.detail) + str(row.actor)


def test_who_may_not_operate_is_no_named_person():
    person(Role.CLERK)
    for name in ("olive", "nobody"):
        with pytest.raises(Refused, match="may operate"):
            switch.named_person(name)
