"""What no order is about: unreadable requests, strangers, keys with too little, wrong addresses."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import IO

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from config.database import changed_rows, transaction
from partner.models import Partner
from partner.simulator.simulator import Simulator
from submerchants.permissions import Permission
from submerchants.tenants.models import SubMerchant, TenantState
from tests.factories.submerchants import bearer
from tests.payments.api.caller import Api, reply, tea


def test_a_malformed_order_is_a_400_that_names_every_field(api: Api) -> None:
    answer = api.post("/orders", tea(amount_fen=True, payer={}, sub_mchid="1900000001"))

    assert answer.status_code == 400
    assert answer.code == "invalid_request"
    assert set(answer.wrong_fields) == {"amount_fen", "payer", "sub_mchid"}
    assert answer.json["detail"]["field"] == answer.wrong_fields[0]


def test_the_message_alone_says_what_to_mend(api: Api) -> None:
    answer = api.post("/orders", tea(description="茶🍵", payer=[], sub_mchid="1900000001"))

    told = answer.json["message"]
    assert "description: Should be text of 1 to 127 letters" in told
    assert "payer: Should be a JSON object" in told
    assert "sub_mchid: There is no such field here" in told


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"null", "application/json", 400),
        (b'"{}"', "application/json", 400),
        (b'{"amount_fen": 1, "amount_fen": 2}', "application/json", 400),
        (b'{"amount_fen": NaN}', "application/json", 400),
        (b'{"amount_fen": 1e999}', "application/json", 400),
        (b'{"amount_fen": ' + b"9" * 5_000 + b"}", "application/json", 400),
        (b'{"description": "\\ud800"}', "application/json", 400),
        (b'{"description": "\xff"}', "application/json", 400),
        (b'{"a": ' * 40 + b"1" + b"}" * 40, "application/json", 400),
        (b"merchant_order_no=A1", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b'{"attach": "' + b"x" * 70_000 + b'"}', "application/json", 413),
    ],
)
def test_what_cannot_be_read_is_refused_in_our_shape(
    api: Api, data: bytes, content_type: str, status: int
) -> None:
    answer = api.post_raw("/orders", data, content_type)

    assert answer.status_code == status
    assert set(answer.json) == {"code", "message", "detail", "request_id"}
    assert answer.headers["Request-ID"] == answer.json["request_id"]


class InvalidChunkSizeError(Exception):
    """A server's own; it is no OSError."""


class BrokenChunks(io.BytesIO):
    """What a server hands on when it cannot make out the next chunk."""

    def read(self, _size: int | None = -1) -> bytes:
        raise InvalidChunkSizeError


@pytest.mark.parametrize(
    ("open_stream", "status"),
    [
        (lambda: io.BytesIO(json.dumps(tea()).encode() + b" " * 70_000), 413),
        (BrokenChunks, 400),
        (lambda: io.BytesIO(json.dumps(tea()).encode()), 201),
    ],
    ids=["too much", "broken", "whole"],
)
def test_a_body_in_chunks_is_taken_whole_or_not_at_all(
    api: Api, open_stream: Callable[[], IO[bytes]], status: int
) -> None:
    answer = api.post_chunks("/orders", open_stream())

    assert answer.status_code == status
    assert len(api.get("/orders").json["data"]) == (status == 201)


@pytest.mark.parametrize("path", ["/admin/", "/dashboard/", "/", "/api/v1/orders"])
@pytest.mark.parametrize("host", ["pay.evil.example", "[::1", "localhost:80@evil.example", ""])
def test_under_a_host_that_is_not_ours_nothing_but_probes_is_answered(
    client: FlaskClient, path: str, host: str
) -> None:
    answer = client.get(path, headers={"Host": host, "Accept": "text/html"})

    assert answer.status_code == 400
    assert reply(answer).json["request_id"] == answer.headers["Request-ID"]


@pytest.mark.parametrize("call", ["pay-params", "sync", "close"])
def test_a_call_without_a_body_takes_none(api: Api, call: str) -> None:
    order = api.order()

    answer = api.post(f"/orders/{order['id']}/{call}", {"force": True})

    assert answer.status_code == 400
    assert api.get(f"/orders/{order['id']}").json["state"] == "PENDING"


def test_a_call_without_a_query_takes_none(api: Api) -> None:
    order = api.order()

    answer = api.get(f"/orders/{order['id']}", expand="everything")

    assert answer.status_code == 400
    assert answer.wrong_fields == ["expand"]


@pytest.mark.parametrize(
    "headers", [{}, bearer("sk_" + "0" * 12 + "_" + "A" * 43), {"Authorization": "Basic YTpi"}]
)
def test_without_a_good_key_nothing_is_told(
    client: FlaskClient, partner: Partner, headers: dict[str, str]
) -> None:
    answer = reply(client.post("/api/v1/orders", data=b"{", headers=headers))

    assert (answer.status_code, answer.code) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_key_does_only_what_it_was_issued_for(
    client: FlaskClient, sub_merchant: SubMerchant
) -> None:
    reader = Api(client, sub_merchant, Permission.ORDERS_READ)

    answer = reader.post("/orders", tea())

    assert (answer.status_code, answer.code) == (403, "scope_missing")
    assert reader.get("/orders").status_code == 200


def test_a_suspended_tenant_finishes_what_is_under_way_and_starts_nothing(
    api: Api, sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    paid, unpaid = api.order(), api.order()
    simulator.pay(paid["out_trade_no"])
    _suspend(sub_merchant)

    refused = api.post("/orders", tea())

    assert (refused.status_code, refused.code) == (403, "suspended")
    assert api.post(f"/orders/{unpaid['id']}/pay-params").status_code == 403
    assert api.post(f"/orders/{paid['id']}/sync").json["state"] == "PAID"
    assert api.post(f"/orders/{unpaid['id']}/close").json["state"] == "CLOSED"
    assert len(api.get("/orders").json["data"]) == 2


def _suspend(sub_merchant: SubMerchant) -> None:
    here = update(SubMerchant).where(SubMerchant.id == sub_merchant.id)
    with transaction():
        changed_rows(here.values(state=TenantState.SUSPENDED))


def test_the_wrong_method_is_told_the_right_ones(api: Api, client: FlaskClient) -> None:
    answer = reply(client.delete("/api/v1/orders", headers=api.headers))

    assert (answer.status_code, answer.code) == (405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].replace(" ", "").split(","))


def test_an_unknown_address_is_a_404_in_our_shape(api: Api) -> None:
    answer = api.get("/nothing")

    assert (answer.status_code, answer.code) == (404, "not_found")
