"""Every route says who may call it, and says so in the words that are enforced."""

from __future__ import annotations

import pytest
from flask import Flask

from partner.operators.roles import OperatorPermission
from submerchants.permissions import Permission
from submerchants.staff.roles import StaffPermission

KNOWN_WORDS = {
    "public",
    *(f"tenant:{permission}" for permission in Permission),
    *(f"operator {permission}" for permission in OperatorPermission),
    *(f"staff {permission}" for permission in StaffPermission),
}

# Whoever comes here is not somebody yet, or asks to be nobody again.
DOORS = {
    "/admin/sign-in",
    "/admin/second-factor",
    "/admin/sign-out",
    "/dashboard/sign-in",
    "/dashboard/sign-out",
}
# Whoever stands at a door is nobody yet, or half somebody.
DOORS = {
    "/admin/sign-in",
    "/admin/second-factor",
    "/admin/sign-out",
    "/dashboard/sign-in",
    "/dashboard/sign-out",
}


@pytest.mark.sqlite_only
def test_every_route_declares_its_access(app: Flask) -> None:
    undeclared = [
        f"{rule.rule} ({rule.endpoint})"
        for rule in app.url_map.iter_rules()
        if not getattr(app.view_functions[rule.endpoint], "access", "")
    ]

    assert undeclared == []


@pytest.mark.sqlite_only
def test_access_is_declared_in_known_words(app: Flask) -> None:
    declared = {
        rule.rule: str(getattr(app.view_functions[rule.endpoint], "access", ""))
        for rule in app.url_map.iter_rules()
    }

    unknown = {rule: access for rule, access in declared.items() if access not in KNOWN_WORDS}

    assert len(declared) > 20
    assert unknown == {}


@pytest.mark.sqlite_only
def test_nothing_of_a_tenant_or_an_operator_is_public(app: Flask) -> None:
    public = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "access", "") == "public"
    }

    assert {rule for rule in public if rule.startswith("/api/v1/")} <= {"/api/v1/openapi.json"}
    assert {rule for rule in public if rule.startswith(("/admin/", "/dashboard/"))} == DOORS
