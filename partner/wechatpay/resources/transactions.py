"""Partner-mode payments of every kind: place, charge a payment code, query, close, reverse.

The client sends what it is given: cutting a description, minting numbers and deciding what a state
means happen elsewhere. WeChat Pay documents: "JSAPI/小程序下单", "APP下单", "H5下单", "Native下单",
"付款码支付", "查询订单", "关闭订单", "撤销订单".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from partner.wechatpay import wire
from partner.wechatpay.errors import Malformed, OutcomeUnknown, StillProcessing, UnknownReason
from partner.wechatpay.resources.order_bodies import CODEPAY, Product, with_auth_code
from partner.wechatpay.transport import Transport, path

SUCCESS: Final = "SUCCESS"
REFUNDED: Final = "REFUND"  # it was paid; at least one refund was asked for since, even in part
PAID_STATES: Final = frozenset({SUCCESS, REFUNDED})
REVOKED: Final = "REVOKED"  # a payment by code was reversed, whether it had been paid or not
USERPAYING: Final = "USERPAYING"  # the payer of a payment by code types the password

_ROOT: Final = ("v3", "pay", "partner", "transactions")
_LONGEST_ID: Final = 32
_LONGEST_OPENID: Final = 128
_LONGEST_NAME: Final = 64
_LONGEST_TEXT: Final = 512  # twice and more what is documented, in whichever unit that is


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
        """Whether the payer's money was received, even if it was given back since.

        A reversed order has WeChat Pay's number only if it had been paid.
        """
        was_reversed = self.trade_state == REVOKED and self.transaction_id is not None
        return self.trade_state in PAID_STATES or was_reversed

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


@dataclass(frozen=True, slots=True)
class UserPaying:
    """A payment by code waits for its payer's password: ask every 5 s, for 30 s, then reverse."""


class Transactions:
    """The payment calls of one service provider. All but `pay_by_code` are safe to repeat."""

    def __init__(self, transport: Transport, sp_mchid: str) -> None:
        self._transport = transport
        self._sp_mchid = sp_mchid

    def place(self, product: Product, body: bytes) -> str:
        """Place the order of `order_body` and return what brings the payer to the cashier.

        A prepay_id (JSAPI, APP) and a code_url (Native) are good for two hours, an h5_url (H5) for
        five minutes. The same bytes again are the same order, with a fresh one.
        """
        if product.answer is None:
            raise ValueError("an order by payment code is charged, not placed")
        reply = self._transport.send(
            "POST",
            path(*_ROOT, product.name),
            body=body,
            repeatable=True,
            endpoint=f"prepay_{product.name}",
        )
        try:
            told = wire.read_object(reply)
            return wire.text(told, product.answer, longest=product.longest_answer)
        except Malformed as error:
            raise OutcomeUnknown(UnknownReason.REPLY_MALFORMED, error) from error

    def pay_by_code(
        self, body: bytes, auth_code: str, *, out_trade_no: str, sub_mchid: str
    ) -> Transaction | UserPaying:
        """Charge the payer whose code was scanned, with the order of `order_body`; never twice.

        `Refused` means that nothing was charged: the number and the code are spent. After
        `OutcomeUnknown` query the number, then reverse it. No notification will ever come.
        """
        try:
            reply = self._transport.send(
                "POST",
                path(*_ROOT, CODEPAY.name),
                body=with_auth_code(body, auth_code),
                endpoint="pay_by_code",
            )
        except StillProcessing as waiting:
            if waiting.code == USERPAYING:
                return UserPaying()
            raise
        return self._transaction(reply, {"out_trade_no": out_trade_no, "sub_mchid": sub_mchid})

    def reverse(self, *, out_trade_no: str, sub_mchid: str) -> None:
        """Undo a payment by code: unpaid it is closed, paid it is given back in full.

        Which of the two it was is for a query to say. Repeat it until the answer is definite.
        """
        reply = self._transport.send(
            "POST",
            path(*_ROOT, "out-trade-no", out_trade_no, "reverse"),
            body=wire.compact_json({"sp_mchid": self._sp_mchid, "sub_mchid": sub_mchid}),
            repeatable=True,
            endpoint="reverse",
        )
        try:
            told = wire.read_object(reply)
            if wire.text(told, "out_trade_no", longest=_LONGEST_ID) != out_trade_no:
                raise Malformed("out_trade_no is not the one that was reversed.")
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
            body=wire.compact_json({"sp_mchid": self._sp_mchid, "sub_mchid": sub_mchid}),
            repeatable=True,
            endpoint="close",
        )

    def _query(self, target: str, asked: Mapping[str, str]) -> Transaction:
        query = {"sp_mchid": self._sp_mchid, "sub_mchid": asked["sub_mchid"]}
        reply = self._transport.send("GET", target, query, repeatable=True, endpoint="query")
        return self._transaction(reply, asked)

    def _transaction(self, reply: bytes, asked: Mapping[str, str]) -> Transaction:
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
