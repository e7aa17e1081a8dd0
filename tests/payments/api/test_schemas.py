"""What an order request may hold, to the letter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from payments.api.fields import MAX_AMOUNT_FEN
from payments.api.order_schemas import OrderPayload
from payments.api.schemas import DayQuery, OrderPath, OrderQuery, PageQuery
from payments.orders.models import OrderState
from tests.payments.api.caller import tea


def problems(**fields: Any) -> dict[str, str]:
    """Which fields of an order are refused, and why; nothing when all are fine."""
    try:
        OrderPayload.model_validate(tea(**fields))
    except ValidationError as error:
        return {".".join(map(str, each["loc"])): each["msg"] for each in error.errors()}
    return {}


def refused_fields(**fields: Any) -> set[str]:
    """The same, by their outermost names."""
    return {place.split(".")[0] for place in problems(**fields)}


@pytest.mark.parametrize("amount", [1, 2800, MAX_AMOUNT_FEN])
def test_a_whole_number_of_fen_is_an_amount(amount: int) -> None:
    assert problems(amount_fen=amount) == {}


@pytest.mark.parametrize(
    "amount", [0, -1, MAX_AMOUNT_FEN + 1, True, "2800", 28.0, 2.8e3, None, [2800], {"fen": 1}]
)
def test_whatever_else_is_no_amount(amount: object) -> None:
    assert refused_fields(amount_fen=amount) == {"amount_fen"}


@pytest.mark.parametrize("number", ["A", "a-_|*9", "x" * 64])
def test_the_tenants_number_takes_letters_digits_and_four_signs(number: str) -> None:
    assert problems(merchant_order_no=number) == {}


@pytest.mark.parametrize(
    "number", ["", "x" * 65, "a b", "a/b", "茶", "A1\n", "\nA1", "A\x00", 7, None]
)
def test_the_tenants_number_takes_nothing_else(number: object) -> None:
    assert refused_fields(merchant_order_no=number) == {"merchant_order_no"}


@pytest.mark.parametrize("text", ["T", "x" * 127, "茶" * 42, "a" + "茶" * 42])
@pytest.mark.parametrize("field", ["description", "attach"])
def test_a_short_text_has_up_to_127_bytes(field: str, text: str) -> None:
    assert problems(**{field: text}) == {}


@pytest.mark.parametrize("text", ["", "x" * 128, "茶" * 43, "aa" + "茶" * 42])
@pytest.mark.parametrize("field", ["description", "attach"])
def test_a_short_text_has_no_more(field: str, text: str) -> None:
    assert refused_fields(**{field: text}) == {field}


def test_the_refusal_of_a_long_text_tells_its_bytes() -> None:
    told = problems(description="茶" * 43)["description"]

    assert "127 bytes" in told
    assert "129" in told


@pytest.mark.parametrize("text", ["\x00", "a\nb", "\t", "\x7f", "\x85", "茶🍵", "\ufffe", "\uffff"])
@pytest.mark.parametrize("field", ["description", "attach", "goods_tag"])
def test_controls_and_letters_of_four_bytes_are_refused(field: str, text: str) -> None:
    assert refused_fields(**{field: text}) == {field}


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("description", "茶🍵", "emoji"),
        ("description", "   ", "blanks"),
        ("attach", "a\nb", "line breaks"),
        ("merchant_order_no", "A 1", "_ - | *"),
        ("currency", "cny", "CNY"),
        ("auth_code", "1345", "18 digits"),
        ("page_url", "https://shop.example.com/🍵", "percent-encoded"),
        ("redirect_url", "/paid", "https"),
    ],
)
def test_a_refusal_says_in_words_what_should_stand_there(field: str, value: str, word: str) -> None:
    told = problems(**{field: value})[field]

    assert word in told
    assert "pattern" not in told


@pytest.mark.parametrize("openid", ["o", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "-" * 128])
def test_an_openid_of_either_kind_pays(openid: str) -> None:
    assert problems(payer={"sub_openid": openid}) == {}
    assert problems(payer={"sp_openid": openid}) == {}
    assert problems(payer={"sp_openid": openid, "sub_openid": openid}) == {}


@pytest.mark.parametrize(
    "payer",
    [
        {},
        None,
        "o1",
        {"sub_openid": ""},
        {"sub_openid": "o" * 129},
        {"sub_openid": "o 1"},
        {"sub_openid": None},
        {"openid": "o1"},
        {"sub_openid": "o1", "identity": {}},
    ],
)
def test_nobody_else_pays(payer: object) -> None:
    assert refused_fields(payer=payer) == {"payer"}


def test_a_field_that_is_not_listed_is_refused_wherever_it_stands() -> None:
    goods = {"merchant_goods_id": "g1", "quantity": 1, "unit_price": 1, "colour": "red"}

    assert problems(sub_mchid="1900000001").keys() == {"sub_mchid"}
    assert problems(detail={"goods_detail": [goods]}).keys() == {"detail.goods_detail.0.colour"}
    assert problems(scene_info={"payer_client_ip": "::1", "h5": {}}).keys() == {"scene_info.h5"}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-01T12:00:00+08:00", datetime(2026, 5, 1, 4, tzinfo=UTC)),
        ("2026-05-01t04:00:00z", datetime(2026, 5, 1, 4, tzinfo=UTC)),
        ("2026-05-01T04:00:00.25-00:00", datetime(2026, 5, 1, 4, 0, 0, 250_000, UTC)),
    ],
)
def test_a_time_names_its_zone(text: str, moment: datetime) -> None:
    payload = OrderPayload.model_validate(tea(expires_at=text))

    assert payload.expires_at == moment


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-01T12:00:00",
        "2026-05-01 12:00:00+08:00",
        "2026-05-01",
        "1777608000",
        1777608000,
        "2026-02-30T12:00:00Z",
        "2026-05-01T12:00:60Z",
        "2026-05-01T25:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "２０２６-05-01T12:00:00Z",
        "2026-05-01T12:00:00+08:00\n",
    ],
)
def test_whatever_else_is_no_time(text: object) -> None:
    assert refused_fields(expires_at=text) == {"expires_at"}


@pytest.mark.parametrize("appid", ["wx1", "wxd678efh567hg6999", "wx" + "a" * 30])
def test_an_appid_begins_with_wx(appid: str) -> None:
    assert problems(sub_appid=appid) == {}


@pytest.mark.parametrize("appid", ["wx", "WX1", "1wx", "wx" + "a" * 31, "wx-1", "wx1 ", 1])
def test_whatever_else_is_no_appid(appid: object) -> None:
    assert refused_fields(sub_appid=appid) == {"sub_appid"}


@pytest.mark.parametrize("currency", ["cny", "CN", "CNYY", "元", 156])
def test_a_currency_is_three_capital_letters(currency: object) -> None:
    assert refused_fields(currency=currency) == {"currency"}


@pytest.mark.parametrize("address", ["1.2.3.4", "::1", "2001:db8::ff00:42:8329"])
def test_a_payers_address_is_one_of_the_internet(address: str) -> None:
    assert problems(scene_info={"payer_client_ip": address}) == {}


@pytest.mark.parametrize("address", ["", "1.2.3", "1.2.3.4:80", "fe80::1%eth0", "host", "1.2.3.04"])
def test_whatever_else_is_no_address(address: str) -> None:
    assert refused_fields(scene_info={"payer_client_ip": address}) == {"scene_info"}


@pytest.mark.parametrize("value", [0, 1, "true", "yes"])
def test_profit_sharing_is_true_or_false(value: object) -> None:
    assert refused_fields(profit_sharing=value) == {"profit_sharing"}


def test_detail_has_at_most_6144_bytes_in_all() -> None:
    line = {"merchant_goods_id": "g" * 32, "quantity": 1, "unit_price": 1, "goods_name": "茶" * 256}

    assert problems(detail={"goods_detail": [line] * 7}) == {}
    assert problems(detail={"goods_detail": [line] * 8}).keys() == {"detail"}


@pytest.mark.parametrize("price", [-1, 1.5, "1", True])
def test_prices_in_detail_are_whole_fen(price: object) -> None:
    goods = {"merchant_goods_id": "g1", "quantity": 1, "unit_price": price}

    assert refused_fields(detail={"cost_price": price}) == {"detail"}
    assert refused_fields(detail={"goods_detail": [goods]}) == {"detail"}


def test_null_is_the_same_as_leaving_a_field_out() -> None:
    bare = tea()
    optional = set(OrderPayload.model_fields) - set(bare) - {"trade_type"}

    spelled_out = OrderPayload.model_validate({**bare, **dict.fromkeys(optional)})

    assert spelled_out == OrderPayload.model_validate(bare)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "+5", " 5", "1_0", "5.0", "1e1", "", "٥"])
def test_a_limit_is_a_plain_number_up_to_a_hundred(limit: str) -> None:
    with pytest.raises(ValidationError):
        PageQuery.model_validate({"limit": limit})


def test_a_list_filter_is_read_from_text() -> None:
    query = OrderQuery.model_validate(
        {"limit": "100", "state": "PAID", "created_after": "2026-05-01T00:00:00+08:00"}
    )

    assert query.limit == 100
    assert query.state is OrderState.PAID
    assert query.created_after == datetime(2026, 4, 30, 16, tzinfo=UTC)


@pytest.mark.parametrize("day", ["2026-5-1", "20260501", "2026-02-29", "2026-05-01T00:00:00", "0"])
def test_a_day_is_written_in_full(day: str) -> None:
    with pytest.raises(ValidationError):
        DayQuery.model_validate({"date": day})


@pytest.mark.parametrize(
    "order_id", ["", "ord_", "ord_" + "i" * 26, "re_" + "0" * 26, "ord_" + "0" * 27, "ord_' OR 1=1"]
)
def test_an_id_is_one_of_ours_by_its_form(order_id: str) -> None:
    with pytest.raises(ValidationError):
        OrderPath.model_validate({"order_id": order_id})


@pytest.mark.parametrize("blank", [" ", "   ", "\u00a0", "\u3000", " \u2003 "])
def test_a_description_says_something(blank):
    with pytest.raises(ValidationError):
        OrderPayload.model_validate(tea(description=blank))
