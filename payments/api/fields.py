"""The kinds of value a request may hold, each checked before any database or WeChat Pay sees it.

Nothing is converted silently: a number is a number, a time names its zone. WeChat Pay stores up to
three bytes a letter, so emoji and whatever else lies beyond the basic plane are refused. It does
not say whether its limits count letters or bytes; where that matters the narrower one holds here.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    StrictInt,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from payments.numbers import OUT_REFUND_NO

MAX_AMOUNT_FEN = 100_000_000_00  # a hundred million yuan
MAX_TEXT_BYTES = 127  # WeChat Pay's limit for a description, read as bytes
MAX_REASON_BYTES = 80  # and that for a refund's reason
MAX_PAGE_URL = 512
MAX_PAGE = 100
MAX_CURSOR = 256

# Each pattern means the same to Rust (which checks), to Python and to ECMAScript (which read the
# document). Controls, lone surrogates and letters of four bytes are outside these ranges.
_PRINTABLE = r"^[\u0020-\u007E\u00A0-\uFFFD]+$"
# The same with at least one letter that is no blank.
_WORDS = (
    r"^[\u0020-\u007E\u00A0-\uFFFD]*"
    r"[\u0021-\u007E\u00A1-\u1FFF\u2010-\u2027\u2030-\u205E\u2070-\u2FFF\u3001-\uFFFD]"
    r"[\u0020-\u007E\u00A0-\uFFFD]*$"
)
_VISIBLE = r"^[\u0021-\u007E\u00A1-\uFFFD]+$"

_RFC_3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_COUNT = re.compile(r"[1-9]\d{0,2}", re.ASCII)


@dataclass(frozen=True)
class InWords:
    """What a value should be, said to people in place of a pattern that only programs read."""

    words: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.custom_error_schema(
            handler(source), "not_as_described", custom_error_message=self.words
        )


def _few_bytes(text: str, limit: int = MAX_TEXT_BYTES) -> str:
    size = len(text.encode())
    if size > limit:
        raise PydanticCustomError(
            "too_many_bytes",
            "Text should have at most {limit} bytes in UTF-8 and has {size}; "
            "a Chinese character is three bytes",
            {"limit": limit, "size": size},
        )
    return text


def _reason(text: str) -> str:
    return _few_bytes(text, MAX_REASON_BYTES)


def _moment(value: object) -> datetime:
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise PydanticCustomError(
            "rfc_3339", "Time should be RFC 3339 with its zone, such as 2026-05-01T12:00:00+08:00"
        )
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise PydanticCustomError("no_such_moment", "There is no such moment") from error


def _day(value: object) -> date:
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise PydanticCustomError("no_such_day", "There is no such day") from error
    raise PydanticCustomError("day", "Day should be written as 2026-05-01")


def _count(value: object) -> int:
    if isinstance(value, str) and _COUNT.fullmatch(value) and int(value) <= MAX_PAGE:
        return int(value)
    raise PydanticCustomError("count", "Should be a whole number from 1 to 100")


def _ip_address(text: str) -> str:
    try:
        if "%" in text:
            raise ValueError(text)
        ipaddress.ip_address(text)
    except ValueError as error:
        raise PydanticCustomError("ip_address", "Should be an IPv4 or IPv6 address") from error
    return text


def _plain_text(longest: int) -> InWords:
    return InWords(
        f"Should be text of 1 to {longest} letters, without line breaks, other controls or emoji"
    )


def _number(longest: int) -> InWords:
    return InWords(f"Should be text of 1 to {longest} letters (A-Z, a-z), digits and _ - | *")


def _json(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema(schema)


Amount = Annotated[StrictInt, Field(ge=1, le=MAX_AMOUNT_FEN)]
Price = Annotated[StrictInt, Field(ge=0, le=MAX_AMOUNT_FEN)]
Quantity = Annotated[StrictInt, Field(ge=1, le=1_000_000)]

ShortText = Annotated[
    str,
    Field(min_length=1, max_length=MAX_TEXT_BYTES, pattern=_PRINTABLE),
    _plain_text(MAX_TEXT_BYTES),
    AfterValidator(_few_bytes),
]
Description = Annotated[
    str,
    Field(min_length=1, max_length=MAX_TEXT_BYTES, pattern=_WORDS),
    InWords(
        f"Should be text of 1 to {MAX_TEXT_BYTES} letters, not only blanks, without line breaks, "
        "other controls or emoji"
    ),
    AfterValidator(_few_bytes),
]
Reason = Annotated[
    str,
    Field(min_length=1, max_length=MAX_REASON_BYTES, pattern=_PRINTABLE),
    _plain_text(MAX_REASON_BYTES),
    AfterValidator(_reason),
]
Text32 = Annotated[str, Field(min_length=1, max_length=32, pattern=_PRINTABLE), _plain_text(32)]
Text64 = Annotated[str, Field(min_length=1, max_length=64, pattern=_PRINTABLE), _plain_text(64)]
Text128 = Annotated[str, Field(min_length=1, max_length=128, pattern=_PRINTABLE), _plain_text(128)]
Text256 = Annotated[str, Field(min_length=1, max_length=256, pattern=_PRINTABLE), _plain_text(256)]
Text512 = Annotated[str, Field(min_length=1, max_length=512, pattern=_PRINTABLE), _plain_text(512)]

MerchantOrderNo = Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-|*]{1,64}$"), _number(64)]
# Shorter, because the order of a later payer has its turn behind it: `*2`.
LinkNo = Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-|*]{1,61}$"), _number(61)]
OutRefundNo = Annotated[str, Field(pattern=OUT_REFUND_NO)]
OutTradeNo = Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-|*]{6,32}$")]
Openid = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
Appid = Annotated[str, Field(pattern=r"^wx[0-9A-Za-z]{1,30}$")]
Currency = Annotated[
    str, Field(pattern=r"^[A-Z]{3}$"), InWords("Should be three capital letters such as CNY")
]
TradeTypeName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{1,15}$")]
# Eighteen digits whose first two say that it is a payment code.
AuthCode = Annotated[
    str,
    Field(pattern=r"^1[0-5][0-9]{16}$", json_schema_extra={"writeOnly": True}),
    InWords("Should be text of the 18 digits of a payment code, which begins with 10 to 15"),
]
GoodsId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
AreaCode = Annotated[str, Field(pattern=r"^[0-9]{6}$")]
IpAddress = Annotated[
    str,
    Field(max_length=45),
    AfterValidator(_ip_address),
    _json(anyOf=[{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]),
]
PageUrl = Annotated[
    str,
    Field(min_length=1, max_length=MAX_PAGE_URL, pattern=_VISIBLE),
    InWords(
        f"Should be a page's address of at most {MAX_PAGE_URL} letters, with blanks and emoji "
        "percent-encoded"
    ),
]
WebUrl = Annotated[
    str,
    Field(max_length=MAX_PAGE_URL, pattern=r"^https?://[0-9A-Za-z.-]+(:[0-9]{1,5})?(/[!-~]*)?$"),
    InWords(
        f"Should be an http or https address of at most {MAX_PAGE_URL} letters, with whatever is "
        "not ASCII percent-encoded"
    ),
]

Moment = Annotated[datetime, BeforeValidator(_moment), _json(type="string", format="date-time")]
Day = Annotated[date, BeforeValidator(_day), _json(type="string", format="date")]
Limit = Annotated[int, BeforeValidator(_count), _json(type="integer", minimum=1, maximum=MAX_PAGE)]
Cursor = Annotated[str, Field(max_length=MAX_CURSOR, pattern=r"^[A-Za-z0-9_-]+$")]


def public_id(prefix: str) -> Any:
    """The pattern of our own ids, such as `ord_` and 26 letters nobody misreads."""
    return Field(
        pattern=rf"^{prefix}_[0-9a-hjkmnp-tv-z]{{26}}$", examples=[f"{prefix}_01jd" + "0" * 22]
    )
