"""Who is calling the tenant API, and whether they may.

A route says on its view what it takes: `@tenant_api(Permission.ORDERS_READ)`. The key is looked at
before the framework reads the body, so a stranger learns nothing from how a bad request is refused.
The tenant is whoever the key belongs to; nothing in a request can change that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, TypeVar, cast

import structlog
from flask import Flask, Response, current_app, g, request

from config.answers import declare_access
from config.audit import SYSTEM, Actor, set_actor
from partner.models import Partner
from submerchants.api_keys.verify import FoundKey, find_key, may_come_from, note_use
from submerchants.errors import AddressNotAllowed, BadApiKey, ScopeMissing, Suspended
from submerchants.permissions import Permission as Permission
from submerchants.tenancy import enter_tenant, leave_tenant
from submerchants.tenants.models import AppidKind, SubMerchant, TenantState

REALM: Final = 'Bearer realm="sub-merchant API"'
_DEMAND: Final = "tenant_demand"
_MAX_HEADER: Final = 256

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Caller:
    """The tenant a request acts for, by the API key it showed."""

    sub_merchant: SubMerchant
    partner: Partner
    sub_appids: Mapping[str, AppidKind]  # bound to the sub-merchant, the default first
    api_key_id: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Demand:
    permission: Permission
    while_suspended: bool


def tenant_api(permission: Permission, *, while_suspended: bool = False) -> Callable[[View], View]:
    """Only an API key with this scope may call the view; the view then acts for its tenant.

    A suspended sub-merchant may not call a view that writes, unless `while_suspended` says that it
    only finishes what is under way.
    """

    def declare(view: View) -> View:
        demand = _Demand(permission, while_suspended)

        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if "caller" not in g:  # whatever mounted this view, it never runs unguarded
                _admit(demand)
            return view(*args, **kwargs)

        setattr(guarded, _DEMAND, demand)
        return cast("View", declare_access(guarded, f"tenant:{permission}"))

    return declare


def current_caller() -> Caller:
    """The caller of the request at hand; only inside a view that declared `tenant_api`."""
    return cast("Caller", g.caller)


def init_access(app: Flask) -> None:
    """Check callers before each request and forget them after it."""
    app.before_request(_check_caller)
    app.after_request(_say_how_to_authenticate)
    app.teardown_request(_forget_caller)


def _check_caller() -> None:
    view = current_app.view_functions.get(request.endpoint or "")
    demand = getattr(view, _DEMAND, None)
    if demand is not None:
        _admit(demand)


def _admit(demand: _Demand) -> None:
    key, sub_merchant, partner, sub_appids = _authenticated()
    if not may_come_from(key, request.remote_addr):
        raise AddressNotAllowed
    scopes = frozenset(key.scopes.split())
    if demand.permission not in scopes:
        raise ScopeMissing(demand.permission)
    if (
        sub_merchant.state is TenantState.SUSPENDED
        and demand.permission.is_write
        and not demand.while_suspended
    ):
        raise Suspended
    enter_tenant(sub_merchant.id)
    origin = request.remote_addr or ""
    set_actor(Actor(kind="api_key", id=key.id, name=key.label, origin=origin))
    structlog.contextvars.bind_contextvars(sub_mchid=sub_merchant.sub_mchid, api_key_id=key.id)
    g.caller = Caller(sub_merchant, partner, sub_appids, key.id, scopes)


def _authenticated() -> FoundKey:
    header = request.headers.get("Authorization", "")
    scheme, _, presented = header.partition(" ")
    found = None
    if scheme.lower() == "bearer" and len(header) <= _MAX_HEADER:
        found = find_key(presented.strip())
    if found is None:
        g.challenge = REALM if not header else f'{REALM}, error="invalid_token"'
        raise BadApiKey
    g.api_key_used = found.key
    return found


def _say_how_to_authenticate(response: Response) -> Response:
    if response.status_code == BadApiKey.status and (challenge := g.get("challenge")):
        response.headers["WWW-Authenticate"] = challenge
    return response


def _forget_caller(_error: BaseException | None) -> None:
    if g.pop("caller", None) is not None:
        leave_tenant()
        set_actor(SYSTEM)
    if (key := g.pop("api_key_used", None)) is not None:
        note_use(key)
