"""What each way to pay is refused for, over HTTP, and how its code is drawn."""

from __future__ import annotations

from typing import Any

import pytest
import segno

from payments.api.qr_codes import qr_text
from tests.payments.api.caller import Api, tea

CODE = "134567890123456789"
SHOP = {"store_info": {"out_id": "shop-7"}}
BROWSER = {"payer_client_ip": "203.0.113.9", "h5_info": {"type": "Wap"}}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"trade_type": "JSAPI", "payer": None}, {"payer"}),
        ({"trade_type": "MICROPAY", "auth_code": "1345"}, {"auth_code"}),
        ({"trade_type": "MICROPAY", "auth_code": "994567890123456789"}, {"auth_code"}),
        ({"trade_type": "MICROPAY", "auth_code": 134567890123456789}, {"auth_code"}),
        ({"trade_type": "H5", "redirect_url": "javascript:alert(1)"}, {"redirect_url"}),
        ({"trade_type": "H5", "redirect_url": "/paid"}, {"redirect_url"}),
        (
            {"trade_type": "H5", "scene_info": {**BROWSER, "h5_info": {"type": "Web"}}},
            {"scene_info.h5_info.type"},
        ),
        ({"scene_info": {"payer_client_ip": "::1", "store_info": {}}}, {"scene_info.store_info"}),
        ({"trade_type": "native"}, {"trade_type"}),
    ],
)
def test_what_no_order_may_hold_is_a_400(api: Api, fields: dict[str, Any], wrong: set[str]) -> None:
    answer = api.post("/orders", tea(**fields))

    assert answer.status_code == 400
    assert set(answer.wrong_fields) == wrong
    assert CODE not in answer.data.decode()


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"trade_type": "NATIVE"}, {"payer"}),
        ({"trade_type": "APP", "payer": None, "auth_code": CODE}, {"auth_code"}),
        ({"trade_type": "H5", "payer": None}, {"scene_info"}),
        (
            {"trade_type": "CODEPAY", "payer": None, "scene_info": {"device_id": "1"}},
            {"auth_code", "scene_info.store_info"},
        ),
        (
            {
                "trade_type": "CODEPAY",
                "payer": None,
                "auth_code": CODE,
                "scene_info": SHOP,
                "expires_at": "2099-01-01T00:00:00Z",
            },
            {"expires_at"},
        ),
    ],
)
def test_what_this_way_has_no_place_for_is_a_422_that_names_each_field(
    api: Api, fields: dict[str, Any], wrong: set[str]
) -> None:
    answer = api.post("/orders", tea(**fields))

    assert (answer.status_code, answer.code) == (422, "fields_do_not_fit_trade_type")
    assert set(answer.wrong_fields) == wrong
    assert api.get("/orders").json["data"] == []


def test_a_code_in_blocks_is_the_code_module_for_module() -> None:
    text = "weixin://wxpay/bizpayurl/up?pr=NwY5Mz9&groupid=00"

    lines = qr_text(text).splitlines()

    rows = [list(row) for row in segno.make(text, error="m", micro=False).matrix_iter(border=4)]
    read = [[letter in inks for letter in line] for line in lines for inks in ("▀█", "▄█")]
    assert [[bool(module) for module in row] for row in rows] == read[: len(rows)]
    assert not any(any(row) for row in read[len(rows) :])
