"""Partner-mode payments: place (JSAPI and mini program), query, close.

The client sends what it is given: cutting a description, minting numbers and deciding what a state
means happen elsewhere. WeChat Pay documents: "JSAPI/小程序下单", "查询订单", "关闭订单".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final, Self

from partner.wechatpay import wire
from partner.wechatpay.errors import Malformed, OutcomeUnknown, UnknownReason
from partner.wechatpay.transport import Transport, path

PAID_STATES: Final = frozenset({"SUCCESS", "REFUND"})  # REFUND: it was paid, then given back

_ROOT: Final = ("v3", "pay", "partner", "transactions")
_BEIJING: Final = timezone(timedelta(hours=8))
_LONGEST_PREPAY_ID: Final = 64
_LONGEST_ID: Final = 32
_LONGEST_OPENID: Final = 128
_LONGEST_NAME: Final = 64
_LONGEST_TEXT: Final = 512  # twice and more what is documented, in whichever unit that is


def jsapi_order_body(
    *,
    sp_appid: str,
    sp_mchid: str,
    sub_mchid: str,
    description: str,
    out_trade_no: str,
    notify_url: str,
    total_fen: int,
    currency: str = "CNY",
    sub_appid: str | None = None,
    sp_openid: str | None = None,
    sub_openid: str | None = None,
    time_expire: datetime | None = None,
    attach: str | None = None,
    goods_tag: str | None = None,
    support_fapiao: bool | None = None,
    profit_sharing: bool | None = None,
    detail: Mapping[str, object] | None = None,
    scene_info: Mapping[str, object] | None = None,
) -> bytes:
    """The order exactly as it will be sent. Store these bytes: a repeat must send the very same.

    What is None is left out, since WeChat Pay refuses fields it does not expect and nulls anywhere.
    """
    sharing = None if profit_sharing is None else {"profit_sharing": profit_sharing}
    order = {
        "sp_appid": sp_appid,
        "sp_mchid": sp_mchid,
        "sub_appid": sub_appid,
        "sub_mchid": sub_mchid,
        "description": description,
        "out_trade_no": out_trade_no,
        "time_expire": None if time_expire is None else _beijing_text(time_expire),
        "attach": attach,
        "notify_url": notify_url,
        "goods_tag": goods_tag,
        "support_fapiao": support_fapiao,
        "settle_info": sharing,
        "amount": {"total": total_fen, "currency": currency},
        "payer": _present({"sp_openid": sp_openid, "sub_openid": sub_openid}),
        "detail": detail,
        "scene_info": scene_info,
    }
    return _json(_present(order))


@dataclass(frozen=True, slots=True)
class Transaction:
    """WeChat Pay's view of one payment, queried or notified; most of it is absent until paid."""

    out_trade_no: str
    sp_mchid: str
    sub_mchid: str
    trade_state: str
    trade_state_desc: str | None
    sp_appid: str | None
    sub_appid: str | None
    transaction_id: str | None
    trade_type: str | None
    bank_type: str | None
    attach: str | None
    success_time: datetime | None
    payer_sp_openid: str | None
    payer_sub_openid: str | None
    total_fen: int | None
    payer_total_fen: int | None
    currency: str | None
    payer_currency: str | None

    @property
    def is_paid(self) -> bool:
        """Whether the payer's money was received, even if it was refunded since."""
        return self.trade_state in PAID_STATES

    @classmethod
    def from_wire(cls, message: Mapping[str, object]) -> Self:
        """Read a decoded transaction; unknown fields are ignored, wrong types raise `Malformed`."""
        payer = wire.optional_object(message, "payer")
        amount = wire.optional_object(message, "amount")
        return cls(
            out_trade_no=wire.text(message, "out_trade_no", longest=_LONGEST_ID),
            sp_mchid=wire.text(message, "sp_mchid", longest=_LONGEST_ID),
            sub_mchid=wire.text(message, "sub_mchid", longest=_LONGEST_ID),
            trade_state=wire.text(message, "trade_state", longest=_LONGEST_NAME),
            trade_state_desc=wire.optional_text(message, "trade_state_desc", longest=_LONGEST_TEXT),
            sp_appid=wire.optional_text(message, "sp_appid", longest=_LONGEST_ID),
            sub_appid=wire.optional_text(message, "sub_appid", longest=_LONGEST_ID),
            transaction_id=wire.optional_text(message, "transaction_id", longest=_LONGEST_ID),
            trade_type=wire.optional_text(message, "trade_type", longest=_LONGEST_NAME),
            bank_type=wire.optional_text(message, "bank_type", longest=_LONGEST_NAME),
            attach=wire.optional_text(message, "attach", longest=_LONGEST_TEXT),
            success_time=wire.optional_moment(message, "success_time"),
            payer_sp_openid=wire.optional_text(payer, "sp_openid", longest=_LONGEST_OPENID),
            payer_sub_openid=wire.optional_text(payer, "sub_openid", longest=_LONGEST_OPENID),
            total_fen=wire.optional_fen(amount, "total"),
            payer_total_fen=wire.optional_fen(amount, "payer_total"),
            currency=wire.optional_text(amount, "currency", longest=_LONGEST_ID),
            payer_currency=wire.optional_text(amount, "payer_currency", longest=_LONGEST_ID),
        )


class Transactions:
    """The payment calls of one service provider. All are safe to repeat with the same number."""

    def __init__(self, transport: Transport, sp_mchid: str) -> None:
        self._transport = transport
        self._sp_mchid = sp_mchid

    def prepay_jsapi(self, body: bytes) -> str:
        """Place the order of `jsapi_order_body` and return its prepay_id, good for two hours."""
        reply = self._transport.send(
            "POST", path(*_ROOT, "jsapi"), body=body, repeatable=True, endpoint="prepay_jsapi"
        )
        try:
            return wire.text(wire.read_object(reply), "prepay_id", longest=_LONGEST_PREPAY_ID)
        except Malformed as error:
            raise OutcomeUnknown(UnknownReason.REPLY_MALFORMED, error) from error

    def query_by_out_trade_no(self, *, out_trade_no: str, sub_mchid: str) -> Transaction:
        """What became of our number; `Refused` with ORDER_NOT_EXIST when it never arrived."""
        asked = {"out_trade_no": out_trade_no, "sub_mchid": sub_mchid}
        return self._query(path(*_ROOT, "out-trade-no", out_trade_no), asked)

    def query_by_transaction_id(self, *, transaction_id: str, sub_mchid: str) -> Transaction:
        """What became of WeChat Pay's number, which exists only once the order is paid."""
        asked = {"transaction_id": transaction_id, "sub_mchid": sub_mchid}
        return self._query(path(*_ROOT, "id", transaction_id), asked)

    def close(self, *, out_trade_no: str, sub_mchid: str) -> None:
        """Make the number unpayable. Closing twice is fine; a paid order is refused."""
        self._transport.send(
            "POST",
            path(*_ROOT, "out-trade-no", out_trade_no, "close"),
            body=_json({"sp_mchid": self._sp_mchid, "sub_mchid": sub_mchid}),
            repeatable=True,
            endpoint="close",
        )

    def _query(self, target: str, asked: Mapping[str, str]) -> Transaction:
        query = {"sp_mchid": self._sp_mchid, "sub_mchid": asked["sub_mchid"]}
        reply = self._transport.send("GET", target, query, repeatable=True, endpoint="query")
        try:
            transaction = Transaction.from_wire(wire.read_object(reply))
            # The signature covers the reply, not the question: a genuine answer to another one
            # would pass it.
            for name, value in {**asked, "sp_mchid": self._sp_mchid}.items():
                if getattr(transaction, name) != value:
                    raise Malformed(f"{name} is not the one that was asked about.")
        except Malformed as error:
            raise OutcomeUnknown(UnknownReason.REPLY_MALFORMED, error) from error
        return transaction


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _present(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _beijing_text(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("time_expire must be aware")
    return moment.astimezone(_BEIJING).isoformat(timespec="seconds")
