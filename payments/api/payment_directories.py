"""Payment directories over HTTP: which are in use, and which page may open the cashier."""

from __future__ import annotations

from hashlib import sha256

from flask import Response

from config.clock import present_moment
from partner.directories import in_force_at
from partner.directories import list_directories as provider_directories
from payments.api.answers import PaymentDirectoryPage, PaymentDirectoryVerdict
from payments.api.binding import answer, bound
from payments.api.describe import refusals, tenant_blueprint
from payments.api.schemas import PageQuery, PageUrlQuery
from payments.api.short_lists import stretch_of
from submerchants.access import Permission, current_caller, tenant_api
from submerchants.directories.configure import list_directories as own_directories
from submerchants.directories.match import SetDirectory, directory_for

blueprint = tenant_blueprint(
    "Payment directories", meaning="Where your pages must live for the cashier to open on them."
)


@blueprint.get("/payment-directories", responses={200: PaymentDirectoryPage, **refusals()})
@tenant_api(Permission.DIRECTORIES_READ)
@bound
def list_payment_directories(query: PageQuery) -> Response:
    """List the directories in use for you: your own, and your provider's."""
    caller = current_caller()
    own = [
        SetDirectory(row.url, "sub_merchant", row.set_at)
        for row in own_directories(caller.sub_merchant)
    ]
    shared = [
        SetDirectory(row.url, "provider", row.set_at)
        for row in provider_directories(caller.partner.id)
    ]
    rows, next_cursor = stretch_of([*own, *shared], query, _cursor_of)
    return answer({"data": [_shown(each) for each in rows], "next_cursor": next_cursor})


@blueprint.get("/payment-directories/check", responses={200: PaymentDirectoryVerdict, **refusals()})
@tenant_api(Permission.DIRECTORIES_READ)
@bound
def check_payment_directory(query: PageUrlQuery) -> Response:
    """Say which directory covers a page, or why none does."""
    verdict = directory_for(current_caller().sub_merchant, query.url)
    return answer({**verdict.as_dict(), "in_force_at": present_moment(verdict.in_force_at)})


def _cursor_of(directory: SetDirectory) -> str:
    # A directory has no id; its level and address are what tells it from the others.
    return sha256(f"{directory.level} {directory.url}".encode()).hexdigest()


def _shown(directory: SetDirectory) -> dict[str, object]:
    return {
        "object": "payment_directory",
        "url": directory.url,
        "level": directory.level,
        "set_at": present_moment(directory.set_at),
        "in_force_at": present_moment(in_force_at(directory.set_at)),
    }
