"""The sub-merchant's checkout links."""

from __future__ import annotations

from flask import Response
from flask.typing import ResponseReturnValue

from admin_ui import link_pages
from admin_ui.access import member_here, staff_page
from admin_ui.dashboard import blueprint
from submerchants.staff.roles import StaffPermission


@blueprint.get("/checkout")
@staff_page(StaffPermission.USE_CHECKOUT)
def checkout() -> str:
    """All links, newest first."""
    return link_pages.link_list_page()


@blueprint.get("/checkout/new")
@staff_page(StaffPermission.USE_CHECKOUT)
def checkout_new() -> str:
    """The form that makes one."""
    return link_pages.new_link_page()


@blueprint.post("/checkout")
@staff_page(StaffPermission.USE_CHECKOUT)
def checkout_make() -> ResponseReturnValue:
    """Make one."""
    return link_pages.make(member_here())


@blueprint.get("/checkout/<link_id>")
@staff_page(StaffPermission.USE_CHECKOUT)
def checkout_one(link_id: str) -> str:
    """One link, its QR code, and where it stands."""
    return link_pages.link_page(link_id)


@blueprint.get("/checkout/<link_id>/qr.svg")
@staff_page(StaffPermission.USE_CHECKOUT)
def checkout_qr(link_id: str) -> Response:
    """The QR code as an image."""
    return link_pages.link_qr(link_id)


@blueprint.get("/checkout/<link_id>/sheet")
@staff_page(StaffPermission.USE_CHECKOUT)
def checkout_sheet(link_id: str) -> str:
    """The link to print."""
    return link_pages.link_sheet(link_id)


@blueprint.post("/checkout/<link_id>/cancel")
@staff_page(StaffPermission.USE_CHECKOUT)
def checkout_cancel(link_id: str) -> ResponseReturnValue:
    """Let nobody pay it any more."""
    return link_pages.cancel(link_id)
