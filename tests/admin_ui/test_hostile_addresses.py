"""Whatever stands in an address or a form, a page answers; on every database alike."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payments.orders.models import OrderState
from submerchants.tenants.models import SubMerchant
from tests.books import all_refunds
from tests.factories.payments import make_order
from tests.factories.people import (
    PASSWORD,
    form_token,
    make_staff_member,
    sign_in_operator,
    sign_in_staff,
)

FIELDS = (
    *("q", "cursor", "state", "since", "from", "to", "month", "sub_merchant", "type", "kind"),
    *("number", "url", "next", "open", "preset", "who", "tenant", "day"),
)


def addresses(app: Flask, door: str, text: str) -> Iterator[str]:
    """Every page behind a door, with this text wherever an address has room for one."""
    given = quote(text)
    asked = "&".join(f"{field}={given}" for field in FIELDS)
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            if rule.rule.startswith(door) and "GET" in (rule.methods or ()):
                ids = dict.fromkeys(rule.arguments, text)
                place = app.url_map.bind("").build(rule.endpoint, ids)
                yield place
                yield f"{place}?{asked}"


@pytest.mark.parametrize("text", ["\x00", "9" * 400], ids=["NUL", "long"])
def test_no_address_is_a_fault_of_ours(
    app: Flask, client: FlaskClient, sub_merchant: SubMerchant, text: str
) -> None:
    staff = app.test_client()
    sign_in_operator(client)
    sign_in_staff(staff, make_staff_member(sub_merchant=sub_merchant))

    answered = {
        address: caller.get(address).status_code
        for caller, door in ((client, "/admin/"), (staff, "/dashboard/"))
        for address in addresses(app, door, text)
    }

    assert len(answered) > 60
    assert {address for address, status in answered.items() if status >= 500} == set()


def test_no_form_is_a_fault_of_ours(client: FlaskClient, sub_merchant: SubMerchant) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant))
    here = f"/dashboard/orders/{make_order(sub_merchant=sub_merchant, state=OrderState.PAID).id}"
    form = {"amount": "1.00", "reason": "\x00", "csrf_token": form_token(client, here)}

    answer = client.post(f"{here}/refunds", data={**form, "proof": PASSWORD})

    assert answer.status_code == 400
    assert all_refunds() == []
