"""Who gets in: headers, the Authorization grammar, the clock, the serial, and every signed byte."""

from __future__ import annotations

import time

import pytest
import requests

from tests.partner.simulator.conftest import BASE, ORDERS, Merchant

CERTIFICATES = "/v3/certificates"


def test_an_unknown_path_answers_404_with_nothing_in_it(web: requests.Session) -> None:
    answer = web.get(f"{BASE}/v3/pay/partner/transactions/telepathy")

    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "DELETE"])
def test_a_wrong_method_answers_405_with_nothing_in_it(web: requests.Session, method: str) -> None:
    answer = web.request(method, f"{BASE}{CERTIFICATES}")

    assert (answer.status_code, answer.content) == (405, b"")


@pytest.mark.parametrize("missing", ["Accept", "User-Agent"])
def test_a_request_without_accept_or_user_agent_is_an_invalid_request(
    merchant: Merchant, missing: str
) -> None:
    merchant.session.headers.clear()

    answer = merchant.call("GET", CERTIFICATES, headers={missing: None})

    assert answer.status_code == 400
    assert answer.json() == {"code": "INVALID_REQUEST", "message": "Http头缺少Accept或User-Agent"}


def test_a_signed_request_is_answered_with_a_signature_over_the_raw_bytes(
    merchant: Merchant,
) -> None:
    answer = merchant.call("GET", CERTIFICATES)

    assert answer.status_code == 200
    assert merchant.is_genuine(answer)
    assert answer.headers["Request-ID"].endswith("-0")


def test_the_order_of_the_authorization_pairs_is_free(merchant: Merchant) -> None:
    header = merchant.authorization("GET", CERTIFICATES, b"")
    scheme, _, pairs = header.partition(" ")

    turned = f"{scheme} {','.join(reversed(pairs.split(',')))}"

    answer = merchant.call("GET", CERTIFICATES, headers={"Authorization": turned})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RSA2048 ", "RSA2048  "),
        (",", ", "),
        ('"', "'"),
        ('timestamp="', 'timestamp="0'),
        ('nonce_str="', 'nonce_str="-'),
        ('mchid="', 'mchid="1",mchid="'),
        ("serial_no", "serial"),
    ],
)
def test_a_malformed_authorization_is_refused_before_anything_else(
    merchant: Merchant, old: str, new: str
) -> None:
    header = merchant.authorization("GET", CERTIFICATES, b"").replace(old, new)

    answer = merchant.call("GET", CERTIFICATES, headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.json()["code"] == "SIGN_ERROR"
    assert answer.json()["message"].startswith("Http头Authorization值格式错误")


def test_another_scheme_is_named_as_such(merchant: Merchant) -> None:
    header = merchant.authorization("GET", CERTIFICATES, b"").replace("RSA2048", "RSA4096")

    answer = merchant.call("GET", CERTIFICATES, headers={"Authorization": header})

    assert answer.json()["message"] == "Http头Authorization认证类型不正确"


@pytest.mark.parametrize("off_by", [-310, 310])
def test_a_clock_more_than_five_minutes_off_is_refused_whatever_the_signature(
    merchant: Merchant, off_by: int
) -> None:
    stamp = str(int(time.time()) + off_by)
    header = merchant.authorization("GET", CERTIFICATES, b"", timestamp=stamp, signature="AAAA")

    answer = merchant.call("GET", CERTIFICATES, headers={"Authorization": header})

    assert answer.status_code == 401
    assert "timestamp" in answer.json()["message"]


def test_a_moved_business_clock_does_not_touch_signatures(merchant: Merchant, sim: object) -> None:
    merchant.session.post(f"{BASE}/_simulator/clock", json={"advance_seconds": 30 * 86400})

    answer = merchant.call("GET", CERTIFICATES)

    assert merchant.is_genuine(answer)
    assert abs(int(answer.headers["Wechatpay-Timestamp"]) - time.time()) < 5


def test_an_unknown_serial_is_refused_by_name(merchant: Merchant) -> None:
    header = merchant.authorization("GET", CERTIFICATES, b"", serial_no="F" * 40)

    answer = merchant.call("GET", CERTIFICATES, headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.json()["message"].startswith("商户证书序列号有误")


def test_a_wrong_signature_is_explained_with_the_string_the_server_built(
    merchant: Merchant,
) -> None:
    body = '{"description":"拿铁"}'.encode()
    header = merchant.authorization("POST", f"{ORDERS}/jsapi", body + b" ")

    answer = merchant.call("POST", f"{ORDERS}/jsapi", body, headers={"Authorization": header})

    assert answer.status_code == 401
    detail = answer.json()["detail"]
    assert (detail["field"], detail["issue"]) == ("signature", "sign not match")
    told = detail["sign_information"]
    assert (told["method"], told["url"]) == ("POST", f"{ORDERS}/jsapi")
    built = f"POST\n{ORDERS}/jsapi\n0123456789\nk3Tq8ZrW1mBv6XyN0pLs5HdJ\n".encode() + body + b"\n"
    assert told["sign_message_length"] == len(built)
    assert answer.headers["Request-ID"].endswith("-268443699")
    assert "Wechatpay-Signature" not in answer.headers


def test_the_query_counts_as_it_came_over_the_wire(merchant: Merchant) -> None:
    merchant.place(out_trade_no="T1|2*3-456")
    sub = merchant.order["sub_mchid"]
    target = f"{ORDERS}/out-trade-no/T1%7C2*3-456?sub_mchid={sub}&sp_mchid={merchant.mchid}"

    answer = merchant.call("GET", target)

    assert answer.status_code == 200
    assert answer.json()["out_trade_no"] == "T1|2*3-456"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "jsapi"),
        ("GET", "out-trade-no/T20260301-000042?mchid=1900000901"),
        ("GET", "id/4200000000202603010000000001?mchid=1900000901"),
        ("POST", "out-trade-no/T20260301-000042/close"),
    ],
)
def test_direct_merchant_paths_tell_a_provider_to_name_the_sub_merchant(
    merchant: Merchant, method: str, path: str
) -> None:
    body = {"mchid": merchant.mchid} if method == "POST" else None

    answer = merchant.call(method, f"/v3/pay/transactions/{path}", body)

    assert answer.status_code == 400
    assert answer.json() == {"code": "PARAM_ERROR", "message": "受理机构必须传入sub_mch_id"}
