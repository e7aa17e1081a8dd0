"""Who is looking at a page, and whether they may.

`operator_page` and `staff_page` stand on every view behind a door: they find the session, declare
the access, name the actor for the audit trail and set the tenant scope. A staff member's page runs
inside their own sub-merchant and nothing in a request can change that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec
from urllib.parse import urlsplit

from flask import Response, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError, CSRFProtect

from config import audit
from config.answers import declare_access
from config.database import db
from config.errors import Forbidden, InvalidPayload
from config.sessions import LoginSession, PersonKind, find_session
from config.vault import Secret
from partner.operators.roles import PERMISSIONS as OPERATOR_PERMISSIONS
from partner.operators.roles import OperatorPermission
from partner.operators.sign_in import get_active_operator
from submerchants.errors import Suspended
from submerchants.staff.roles import PERMISSIONS as STAFF_PERMISSIONS
from submerchants.staff.roles import StaffPermission
from submerchants.staff.sign_in import get_active_member
from submerchants.tenancy import across_tenants, acting_for
from submerchants.tenants.models import SubMerchant, TenantState

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_PLACE = re.compile(
    r"/(admin|dashboard|api/docs)(/[A-Za-z0-9_./-]*)?(\?[A-Za-z0-9_.~%&=+:|*-]*)?"
)

P = ParamSpec("P")
csrf = CSRFProtect()


class PageExpired(Forbidden):
    """The form is not one we handed to this browser, or too old, or sent from somewhere else."""

    code = "page_expired"


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever is signed in, as pages need to know them."""

    kind: PersonKind
    id: str
    email: str
    role: str
    permissions: frozenset[str]
    session: LoginSession
    sub_merchant_id: str | None = None
    place_name: str = ""

    @property
    def tenant_id(self) -> str:
        """The sub-merchant a staff member belongs to."""
        if self.sub_merchant_id is None:
            raise RuntimeError("An operator belongs to no sub-merchant.")
        return self.sub_merchant_id

    @property
    def actor(self) -> audit.Actor:
        """Who the audit trail says it was."""
        return audit.Actor(self.kind.lower(), self.id, self.email, origin())


def origin() -> str:
    """The address the request came from; behind proxies the composition root has set it right."""
    return request.remote_addr or ""


def current_operator() -> Person | None:
    """The signed-in operator of this request; a password without its code is nobody yet."""
    if "operator" not in g:
        g.operator = _operator()
    person: Person | None = g.operator
    return person


def current_member() -> Person | None:
    """The signed-in staff member of this request."""
    if "member" not in g:
        g.member = _member()
    person: Person | None = g.member
    return person


def operator_here() -> Person:
    """The operator behind an operator's page."""
    return _somebody(current_operator())


def member_here() -> Person:
    """The staff member behind a staff page."""
    return _somebody(current_member())


def trading_shop(person: Person) -> SubMerchant:
    """A staff member's sub-merchant, to start something new for it. Raises Suspended."""
    sub_merchant = db.session.get_one(SubMerchant, person.tenant_id)
    if sub_merchant.state is TenantState.SUSPENDED:
        raise Suspended
    return sub_merchant


def half_way_session() -> LoginSession | None:
    """The session of an operator whose password was right and whose code is awaited."""
    session = _session(PersonKind.OPERATOR)
    return session if session and not session.is_proven else None


def operator_page(
    permission: OperatorPermission,
) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """Let in operators who hold the permission; others are asked to sign in, or refused."""

    def guard(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            person = current_operator()
            if person is None:
                return _to_sign_in("sign_in.operator_door")
            _require(person, permission)
            audit.set_actor(person.actor)
            with across_tenants("operator console: the provider looks after all of them"):
                return view(*args, **kwargs)

        return declare_access(guarded, f"operator {permission}")

    return guard


def staff_page(
    permission: StaffPermission,
) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """Let in staff who hold the permission, into their own sub-merchant only."""

    def guard(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            person = current_member()
            if person is None or person.sub_merchant_id is None:
                return _to_sign_in("sign_in.staff_door")
            _require(person, permission)
            audit.set_actor(person.actor)
            with acting_for(person.sub_merchant_id):
                return view(*args, **kwargs)

        return declare_access(guarded, f"staff {permission}")

    return guard


def check_text() -> None:
    """Refuse an address or a form that holds NUL: not every database takes it as text."""
    given = request.values.items(multi=True)
    if "\x00" in request.path or any("\x00" in value for _, value in given):
        raise InvalidPayload("The request holds a character that is no part of any text.")


def check_unsafe_request() -> None:
    """Refuse a changing request that no page of ours sent: its token, then where it came from.

    A browser says where a form was on; what says nothing at all is not a browser, and has shown the
    token that only a reader of our page and holder of its cookie can know.
    """
    if request.method in SAFE_METHODS:
        return
    own = f"{request.scheme}://{request.host}"
    sent_from = request.headers.get("Origin") or request.headers.get("Referer")
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if (sent_from is not None and _origin_of(sent_from) != own) or site != "same-origin":
        raise PageExpired("The form was sent from another site. Open the page here and try again.")
    try:
        csrf.protect()
    except CSRFError as error:
        raise PageExpired("The page has expired. Open it again and send the form again.") from error


def forget_person(_error: BaseException | None = None) -> None:
    """A thread serves many people in turn: the next request starts as nobody."""
    audit.set_actor(audit.SYSTEM)


def cookie_name(kind: PersonKind) -> str:
    """`__Host-` wherever there is https; browsers refuse that name on plain http."""
    prefix = "__Host-" if current_app.config["SESSION_COOKIE_SECURE"] else ""
    return f"{prefix}{kind.lower()}"


def remember(response: Response, kind: PersonKind, token: Secret) -> Response:
    """Put a session's cookie on the answer; it ends with the browser, the row ends sooner."""
    response.set_cookie(
        cookie_name(kind),
        token.reveal(),
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
        path="/",
    )
    return response


def session_of(kind: PersonKind) -> LoginSession | None:
    """The session in force behind this browser's cookie for one of the doors."""
    return _session(kind)


def own_place(path: str | None, otherwise: str) -> str:
    """Where to go on to: an address of ours, never one somebody smuggled into a link."""
    return path if path and _OWN_PLACE.fullmatch(path) else otherwise


def _session(kind: PersonKind) -> LoginSession | None:
    token = request.cookies.get(cookie_name(kind))
    session = find_session(token) if token else None
    return session if session and session.person_kind is kind else None


def _operator() -> Person | None:
    session = _session(PersonKind.OPERATOR)
    if session is None or not session.is_proven:
        return None
    operator = get_active_operator(session.person_id)
    if operator is None:
        return None
    permissions = frozenset(str(one) for one in OPERATOR_PERMISSIONS[operator.role])
    return Person(
        PersonKind.OPERATOR, operator.id, operator.email, operator.role, permissions, session
    )


def _member() -> Person | None:
    session = _session(PersonKind.STAFF)
    member = get_active_member(session.person_id) if session else None
    if session is None or member is None:
        return None
    sub_merchant = db.session.get_one(SubMerchant, member.sub_merchant_id)
    return Person(
        PersonKind.STAFF,
        member.id,
        member.email,
        member.role,
        frozenset(str(one) for one in STAFF_PERMISSIONS[member.role]),
        session,
        sub_merchant.id,
        sub_merchant.name,
    )


def _require(person: Person, permission: str) -> None:
    if permission not in person.permissions:
        raise Forbidden("Your role does not include this. Ask an administrator of yours.")


def _somebody(person: Person | None) -> Person:
    if person is None:
        raise RuntimeError("Nobody is signed in: this page stands outside its door.")
    return person


def _to_sign_in(door: str) -> Response:
    here = request.full_path.rstrip("?") if request.method == "GET" else None
    target = url_for(door, next=here)
    if request.headers.get("HX-Request") == "true":
        # A part of a page cannot show a door: the whole page goes there.
        return Response(status=204, headers={"HX-Redirect": url_for(door)})
    response = redirect(target, code=303)
    assert isinstance(response, Response)
    return response


def _origin_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
