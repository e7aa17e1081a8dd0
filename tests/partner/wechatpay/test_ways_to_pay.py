"""Each way to pay on the wire: its body, its path, its answer; payment codes and their reversal."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from partner.wechatpay.client import WeChatPayClient
from partner.wechatpay.errors import OutcomeUnknown, Refused, StillProcessing, UnknownReason
from partner.wechatpay.resources.order_bodies import (
    APP,
    CODEPAY,
    H5,
    JSAPI,
    NATIVE,
    Product,
    order_body,
)
from partner.wechatpay.resources.transactions import Transaction, UserPaying
from tests.partner.wechatpay.scripted_server import ScriptedServer, replies, replies_unsigned
from tests.partner.wechatpay.sealing import PAID

CODE = "134567890123456789"
NUMBER = "T20260301-000042"
SUB_MCHID = "1600000777"
TILL: dict[str, Any] = {
    "sp_appid": "wxaaaa0000bbbb1111",
    "sp_mchid": "1600000001",
    "sub_mchid": SUB_MCHID,
    "description": "Corner Cafe-拿铁",
    "out_trade_no": NUMBER,
    "total_fen": 1880,
}
ORDER = {**TILL, "notify_url": "https://pay.example.com/wx/notify/pay"}
CODE_BODY = order_body(CODEPAY, **TILL, scene_info={"store_info": {"id": "S1"}})
PAID_BY_CODE = {**PAID, "trade_type": "MICROPAY"}


def charge(client: WeChatPayClient) -> Transaction | UserPaying:
    return client.transactions.pay_by_code(
        CODE_BODY, CODE, out_trade_no=NUMBER, sub_mchid=SUB_MCHID
    )


@pytest.mark.parametrize(
    ("product", "path", "answer"),
    [
        (JSAPI, "jsapi", {"prepay_id": "wx01"}),
        (APP, "app", {"prepay_id": "wx01"}),
        (NATIVE, "native", {"code_url": "weixin://wxpay/bizpayurl/up?pr=NwY5Mz9&groupid=00"}),
        (H5, "h5", {"h5_url": "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=1"}),
    ],
)
def test_each_way_has_its_own_path_and_answer(
    client: WeChatPayClient,
    server: ScriptedServer,
    product: Product,
    path: str,
    answer: dict[str, str],
) -> None:
    body = order_body(product, **ORDER)
    server.plays(replies(answer))

    brought = client.transactions.place(product, body)

    assert [brought] == list(answer.values())
    assert server.requests[0].target == f"/v3/pay/partner/transactions/{path}"
    assert server.requests[0].body == body


@pytest.mark.parametrize("product", [NATIVE, H5])
def test_the_answer_to_another_way_is_no_answer(
    client: WeChatPayClient, server: ScriptedServer, product: Product
) -> None:
    server.plays(replies({"prepay_id": "wx01"}))

    with pytest.raises(OutcomeUnknown) as raised:
        client.transactions.place(product, b"{}")

    assert raised.value.reason is UnknownReason.REPLY_MALFORMED


def test_nothing_empty_is_sent_at_any_depth() -> None:
    body = order_body(
        NATIVE,
        **ORDER,
        attach="",
        detail={"cost_price": None, "goods_detail": []},
        scene_info={"payer_client_ip": "203.0.113.9", "device_id": "", "store_info": {"id": None}},
        support_fapiao=False,
    )

    order = json.loads(body)
    assert set(order) == {
        *("sp_appid", "sp_mchid", "sub_mchid", "description", "out_trade_no", "notify_url"),
        *("amount", "scene_info", "support_fapiao"),
    }
    assert order["scene_info"] == {"payer_client_ip": "203.0.113.9"}


def test_goods_are_numbered_in_the_words_of_each_product() -> None:
    line = {"merchant_goods_id": "g1", "wechatpay_goods_id": "w1", "quantity": 1, "unit_price": 9}

    at_the_till = order_body(CODEPAY, **TILL, detail={"goods_detail": [line]})
    scanned = order_body(NATIVE, **ORDER, detail={"goods_detail": [line]})

    [ours] = json.loads(at_the_till)["detail"]["goods_detail"]
    [theirs] = json.loads(scanned)["detail"]["goods_detail"]
    assert (ours["wxpay_goods_id"], theirs["wechatpay_goods_id"]) == ("w1", "w1")
    assert "wechatpay_goods_id" not in ours


@pytest.mark.parametrize(
    ("product", "fields"),
    [
        (NATIVE, {**ORDER, "sp_openid": "oA"}),
        (H5, {**ORDER, "sub_openid": "oA"}),
        (NATIVE, TILL),
        (CODEPAY, ORDER),
        (CODEPAY, {**TILL, "time_expire": datetime(2026, 3, 1, tzinfo=UTC)}),
    ],
)
def test_a_field_its_product_has_no_place_for_is_a_mistake_of_ours(
    product: Product, fields: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"notify_url|time_expire|openid"):
        order_body(product, **fields)


def test_a_code_is_sent_and_stands_in_no_stored_body(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies(PAID_BY_CODE))

    paid = charge(client)

    [request] = server.requests
    assert isinstance(paid, Transaction)
    assert (paid.trade_state, paid.trade_type) == ("SUCCESS", "MICROPAY")
    assert request.target == "/v3/pay/partner/transactions/codepay"
    assert request.json == {**json.loads(CODE_BODY), "payer": {"auth_code": CODE}}
    assert CODE.encode() not in CODE_BODY


def test_a_payer_who_types_a_password_is_waited_for(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies({"code": "USERPAYING", "message": "需要用户输入支付密码"}, status=202))

    assert charge(client) == UserPaying()
    assert len(server.requests) == 1


def test_another_202_is_an_outcome_nobody_knows(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies({"code": "PROCESSING"}, status=202))

    with pytest.raises(StillProcessing):
        charge(client)


@pytest.mark.parametrize("code", ["NOT_ENOUGH", "TRADE_ERROR", "ACCOUNT_ERROR"])
def test_a_code_that_is_turned_away_says_why(
    client: WeChatPayClient, server: ScriptedServer, code: str
) -> None:
    server.plays(replies_unsigned(403, json.dumps({"code": code, "message": "no"}).encode()))

    with pytest.raises(Refused) as raised:
        charge(client)

    assert raised.value.code == code


@pytest.mark.parametrize("code", ["SYSTEM_ERROR", "BANK_ERROR"])
def test_a_code_is_never_charged_a_second_time(
    client: WeChatPayClient, server: ScriptedServer, code: str
) -> None:
    server.plays(replies_unsigned(500, json.dumps({"code": code}).encode()))

    with pytest.raises(OutcomeUnknown):
        charge(client)

    assert len(server.requests) == 1


def test_a_signed_payment_of_another_number_is_no_answer(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies({**PAID_BY_CODE, "out_trade_no": "T20260301-000043"}))

    with pytest.raises(OutcomeUnknown) as raised:
        charge(client)

    assert raised.value.reason is UnknownReason.REPLY_MALFORMED


def test_reversing_names_both_merchants_and_is_repeated(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies_unsigned(500, b""), replies({"out_trade_no": NUMBER}))

    client.transactions.reverse(out_trade_no=NUMBER, sub_mchid=SUB_MCHID)

    first, second = server.requests
    assert first.target == f"/v3/pay/partner/transactions/out-trade-no/{NUMBER}/reverse"
    assert first.body == b'{"sp_mchid":"1600000001","sub_mchid":"1600000777"}'
    assert second.body == first.body


@pytest.mark.parametrize("message", [{}, {"out_trade_no": "T20260301-000043"}, []])
def test_a_reversal_of_another_number_is_not_believed(
    client: WeChatPayClient, server: ScriptedServer, message: object
) -> None:
    server.plays(replies(message))

    with pytest.raises(OutcomeUnknown):
        client.transactions.reverse(out_trade_no=NUMBER, sub_mchid=SUB_MCHID)
