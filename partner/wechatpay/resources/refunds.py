"""Partner-mode refunds: apply, query, and send an abnormal refund's money another way.

The client sends what it is given; how much may go back and what a status means is decided
elsewhere. WeChat Pay documents: "申请退款", "查询单笔退款", "发起异常退款", "退款结果通知".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from partner.wechatpay import wire
from partner.wechatpay.ciphers import seal_field
from partner.wechatpay.errors import Malformed, OutcomeUnknown, UnknownReason
from partner.wechatpay.transport import Transport, path

PAYERS_CARD: Final = "USER_BANK_CARD"
MERCHANTS_CARD: Final = "MERCHANT_BANK_CARD"
# A debit card of one of these can take an abnormal refund; its bank_type is `CMB_DEBIT` and so on.
BANKS: Final = (
    *("CMB", "COMM", "ABC", "CCB", "ICBC", "BOC", "PAB", "SPDB"),
    *("CITIC", "CEB", "CMBC", "CIB", "GDB", "PSBC", "NBCB"),
)

_ROOT: Final = ("v3", "refund", "domestic", "refunds")
_LONGEST_ID: Final = 32
_LONGEST_REFUND_NO: Final = 64
_LONGEST_NAME: Final = 64
_LONGEST_TEXT: Final = 512  # many times what is documented, in whichever unit that is


def refund_body(
    *,
    sub_mchid: str,
    transaction_id: str,
    out_refund_no: str,
    notify_url: str,
    refund_fen: int,
    total_fen: int,
    currency: str,
    reason: str | None = None,
) -> bytes:
    """The request exactly as it will be sent. Store these bytes: a repeat must send the very same.

    `total_fen` is what the order was over, however much of it went back before.
    """
    refund = {
        "sub_mchid": sub_mchid,
        "transaction_id": transaction_id,
        "out_refund_no": out_refund_no,
        **({} if reason is None else {"reason": reason}),
        "notify_url": notify_url,
        "amount": {"refund": refund_fen, "total": total_fen, "currency": currency},
    }
    return wire.compact_json(refund)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """WeChat Pay's view of one refund, answered or notified.

    Answers name no merchant numbers; there they are those that were asked with. One variant of the
    notification names an `mchid` without saying whose, and no sub-merchant.
    """

    sp_mchid: str | None
    sub_mchid: str | None
    mchid: str | None
    out_trade_no: str
    transaction_id: str
    out_refund_no: str
    refund_id: str
    status: str
    refund_fen: int
    total_fen: int
    payer_refund_fen: int | None
    currency: str | None
    create_time: datetime | None
    success_time: datetime | None
    user_received_account: str | None

    @classmethod
    def from_wire(cls, message: Mapping[str, object]) -> Self:
        """Read a notification, whose status is called `refund_status`, or an answer."""
        amount = wire.optional_object(message, "amount")
        said = "refund_status" if "refund_status" in message else "status"
        return cls(
            sp_mchid=wire.optional_text(message, "sp_mchid", longest=_LONGEST_ID),
            sub_mchid=wire.optional_text(message, "sub_mchid", longest=_LONGEST_ID),
            mchid=wire.optional_text(message, "mchid", longest=_LONGEST_ID),
            out_trade_no=wire.text(message, "out_trade_no", longest=_LONGEST_ID),
            transaction_id=wire.text(message, "transaction_id", longest=_LONGEST_ID),
            out_refund_no=wire.text(message, "out_refund_no", longest=_LONGEST_REFUND_NO),
            refund_id=wire.text(message, "refund_id", longest=_LONGEST_ID),
            status=wire.text(message, said, longest=_LONGEST_ID),
            refund_fen=_fen(amount, "refund"),
            total_fen=_fen(amount, "total"),
            payer_refund_fen=wire.optional_fen(amount, "payer_refund"),
            currency=wire.optional_text(amount, "currency", longest=_LONGEST_NAME),
            create_time=wire.optional_moment(message, "create_time"),
            success_time=wire.optional_moment(message, "success_time"),
            user_received_account=wire.optional_text(
                message, "user_received_account", longest=_LONGEST_TEXT
            ),
        )


@dataclass(frozen=True, slots=True)
class SealingKey:
    """WeChat Pay's key for sensitive fields, and the serial or id that names it."""

    serial: str
    key: RSAPublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class BankCard:
    """A payer's debit card. It is sealed and sent, and never stored or printed."""

    bank_type: str  # such as CMB_DEBIT
    account: str = field(repr=False)
    real_name: str = field(repr=False)


class Refunds:
    """The refund calls of one service provider."""

    def __init__(self, transport: Transport, sealing_key: SealingKey | None) -> None:
        self._transport = transport
        self._sealing_key = sealing_key

    def create(self, body: bytes, *, out_refund_no: str, sub_mchid: str) -> Refund:
        """Apply with the bytes of `refund_body`. The same bytes again are the same refund.

        It is sent once: a refusal is then known to answer the only request that is on its way.
        """
        reply = self._transport.send(
            "POST", path(*_ROOT), body=body, repeatable=False, endpoint="refund"
        )
        return self._read(reply, out_refund_no=out_refund_no, sub_mchid=sub_mchid)

    def query(self, *, out_refund_no: str, sub_mchid: str) -> Refund:
        """What became of a number; `Refused` with RESOURCE_NOT_EXISTS when none was accepted."""
        reply = self._transport.send(
            "GET",
            path(*_ROOT, out_refund_no),
            {"sub_mchid": sub_mchid},
            repeatable=True,
            endpoint="refund_query",
        )
        return self._read(reply, out_refund_no=out_refund_no, sub_mchid=sub_mchid)

    def apply_abnormal(
        self, *, refund_id: str, out_refund_no: str, sub_mchid: str, card: BankCard | None
    ) -> Refund:
        """Send an abnormal refund to this card of the payer's, or to the merchant's own account.

        LookupError without a key of WeChat Pay's to seal the card with.
        """
        asked: dict[str, object] = {"sub_mchid": sub_mchid, "out_refund_no": out_refund_no}
        serial = None
        if card is None:
            asked["type"] = MERCHANTS_CARD
        else:
            if self._sealing_key is None:
                raise LookupError("There is no key of WeChat Pay's to seal the card with.")
            serial, key = self._sealing_key.serial, self._sealing_key.key
            asked |= {
                "type": PAYERS_CARD,
                "bank_type": card.bank_type,
                "bank_account": seal_field(key, card.account),
                "real_name": seal_field(key, card.real_name),
            }
        reply = self._transport.send(
            "POST",
            path(*_ROOT, refund_id, "apply-abnormal-refund"),
            body=wire.compact_json(asked),
            repeatable=False,
            endpoint="refund_abnormal",
            serial=serial,
        )
        return self._read(reply, out_refund_no=out_refund_no, sub_mchid=sub_mchid)

    def _read(self, reply: bytes, *, out_refund_no: str, sub_mchid: str) -> Refund:
        try:
            refund = Refund.from_wire(wire.read_object(reply))
            # The signature covers the reply, not the question: a genuine answer to another one
            # would pass it.
            if refund.out_refund_no != out_refund_no:
                raise Malformed("out_refund_no is not the one that was asked about.")
            if refund.sub_mchid not in (None, sub_mchid):
                raise Malformed("sub_mchid is not the one that was asked about.")
        except Malformed as error:
            raise OutcomeUnknown(UnknownReason.REPLY_MALFORMED, error) from error
        return replace(refund, sp_mchid=self._transport.signer.mchid, sub_mchid=sub_mchid)


def _fen(amount: Mapping[str, object], name: str) -> int:
    value = wire.optional_fen(amount, name)
    if value is None:
        raise Malformed(f"{name} is missing.")
    return value
