"""The two doors and the way out, the language switch, and `/`, which knows where you belong."""

from __future__ import annotations

from flask import (
    Blueprint,
    Response,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue

from admin_ui import access
from config.answers import public
from config.database import transaction
from config.i18n import LANGUAGE_COOKIE, LANGUAGE_PATH, LANGUAGES
from config.sessions import LoginSession, PersonKind, end_session
from config.sign_in import SignInRefused
from config.throttle import TooManyTries
from config.vault import Secret
from partner.operators import sign_in as operators
from submerchants.staff import sign_in as staff

LANGUAGE_KEPT_SECONDS = 365 * 24 * 3600
_MAX_TYPED = 1_000

blueprint = Blueprint("sign_in", __name__, template_folder="templates")
blueprint.before_request(access.check_text)
blueprint.before_request(access.check_unsafe_request)


@blueprint.get("/")
@public
def home() -> ResponseReturnValue:
    """Send each person to their own place."""
    if access.current_operator():
        return redirect(url_for("console.overview"))
    if access.current_member():
        return redirect(url_for("dashboard.overview"))
    return redirect(url_for("sign_in.staff_door"))


@blueprint.route("/admin/sign-in", methods=["GET", "POST"])
@public
def operator_door() -> ResponseReturnValue:
    """An operator's e-mail address and password."""
    if request.method == "GET":
        if access.current_operator():
            return redirect(url_for("console.overview"))
        return _form("sign_in/operator.html")
    try:
        token = operators.give_password(
            email=_typed("email"), password=Secret(_typed("password")), origin=access.origin()
        )
    except (SignInRefused, TooManyTries) as refusal:
        return _form("sign_in/operator.html", refusal)
    onward = url_for("sign_in.second_factor", next=request.args.get("next"))
    return _enter(PersonKind.OPERATOR, token, onward)


@blueprint.route("/admin/second-factor", methods=["GET", "POST"])
@public
def second_factor() -> ResponseReturnValue:
    """The code from the operator's authenticator app."""
    half_way = access.half_way_session()
    if half_way is None:
        return redirect(url_for("sign_in.operator_door"), code=303)
    if request.method == "GET":
        return _form("sign_in/second_factor.html")
    try:
        token = operators.give_code(session=half_way, code=_typed("code"), origin=access.origin())
    except (SignInRefused, TooManyTries) as refusal:
        return _form("sign_in/second_factor.html", refusal)
    onward = access.own_place(request.args.get("next"), url_for("console.overview"))
    return _enter(PersonKind.OPERATOR, token, onward)


@blueprint.route("/dashboard/sign-in", methods=["GET", "POST"])
@public
def staff_door() -> ResponseReturnValue:
    """A staff member's e-mail address and password."""
    if request.method == "GET":
        if access.current_member():
            return redirect(url_for("dashboard.overview"))
        return _form("sign_in/staff.html")
    try:
        token = staff.give_password(
            email=_typed("email"), password=Secret(_typed("password")), origin=access.origin()
        )
    except (SignInRefused, TooManyTries) as refusal:
        return _form("sign_in/staff.html", refusal)
    onward = access.own_place(request.args.get("next"), url_for("dashboard.overview"))
    return _enter(PersonKind.STAFF, token, onward)


@blueprint.post("/admin/sign-out")
@public
def operator_out() -> ResponseReturnValue:
    """End the operator's session."""
    return _leave(PersonKind.OPERATOR, url_for("sign_in.operator_door"))


@blueprint.post("/dashboard/sign-out")
@public
def staff_out() -> ResponseReturnValue:
    """End the staff member's session."""
    return _leave(PersonKind.STAFF, url_for("sign_in.staff_door"))


@blueprint.post(LANGUAGE_PATH)
@public
def language() -> ResponseReturnValue:
    """Remember the chosen language in a cookie of this browser."""
    chosen = request.form.get("language", "")
    response = redirect(access.own_place(request.form.get("next"), "/"), code=303)
    if chosen in LANGUAGES:
        response.set_cookie(
            LANGUAGE_COOKIE,
            chosen,
            max_age=LANGUAGE_KEPT_SECONDS,
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
        )
    return response


def _form(template: str, refusal: SignInRefused | TooManyTries | None = None) -> Response:
    page = render_template(template, refusal=refusal, typed_email=request.form.get("email", ""))
    response = make_response(page, refusal.status if refusal else 200)
    if refusal and refusal.retry_after_seconds:
        response.headers["Retry-After"] = str(refusal.retry_after_seconds)
    return response


def _typed(field: str) -> str:
    return request.form.get(field, "")[:_MAX_TYPED]


def _enter(kind: PersonKind, token: Secret, onward: str) -> ResponseReturnValue:
    before = access.session_of(kind)
    _end(before)
    session.clear()  # the form token of whoever looked at this browser before is worth nothing now
    response = redirect(onward, code=303)
    return access.remember(make_response(response), kind, token)


def _leave(kind: PersonKind, onward: str) -> ResponseReturnValue:
    _end(access.session_of(kind))
    session.clear()
    response = redirect(onward, code=303)
    response.delete_cookie(access.cookie_name(kind), path="/", secure=request.is_secure)
    return response


def _end(before: LoginSession | None) -> None:
    if before is not None:
        with transaction():
            end_session(before)
