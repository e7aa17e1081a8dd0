"""The gate: who is asking, and is every byte of the request theirs?

Checks run in WeChat Pay's order: headers, the form of Authorization, the certificate's serial, the
timestamp, and the signature last. The signature covers the path and query exactly as they came
over the wire, so the raw request target is used, never one that was decoded and encoded again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from partner.simulator import keys
from partner.simulator.merchants import Merchants, Provider
from partner.simulator.refusals import invalid_request, sign_error

MAX_CLOCK_DIFFERENCE_S: Final = 300
SHOWN_MESSAGE: Final = 256

_SCHEME: Final = "WECHATPAY2-SHA256-RSA2048"
_PAIR: Final = re.compile(r'([a-z_]+)="([^"]*)"')
_GRAMMAR: Final = {
    "mchid": re.compile(r"[0-9A-Za-z]{1,32}"),
    "nonce_str": re.compile(r"[0-9A-Za-z]{16,64}"),
    "signature": re.compile(r"[0-9A-Za-z+/]+={0,2}"),
    "timestamp": re.compile(r"1[0-9]{9}"),
    "serial_no": re.compile(r"[0-9A-Za-z]{8,40}"),
}
_MALFORMED = "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》"


class HeaderLookup(Protocol):
    """Headers by name, whatever their case."""

    def get(self, key: str, /) -> str | None: ...


@dataclass(frozen=True)
class WireRequest:
    """The request as it came: method, raw target, headers, body bytes."""

    method: str
    target: str
    headers: HeaderLookup
    body: bytes


def raw_target(environ: Mapping[str, Any]) -> str:
    """PATH[?QUERY] byte for byte as received; servers offer it under one of two names."""
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if not target:
        query = environ.get("QUERY_STRING", "")
        return f"{environ.get('PATH_INFO', '/')}{'?' if query else ''}{query}"
    text = str(target)
    if not text.startswith("/"):  # absolute form, as a proxy would send it: the host is not signed
        text = "/" + text.split("://", 1)[-1].partition("/")[2]
    return text


def admit(request: WireRequest, merchants: Merchants, wire_time: float) -> tuple[Provider, str]:
    """Who signed this request, and with which certificate; Refusal (400 or 401) for anyone else."""
    headers = request.headers
    if not headers.get("Accept") or not headers.get("User-Agent"):
        raise invalid_request("Http头缺少Accept或User-Agent")
    fields = _authorization(headers.get("Authorization") or "")
    provider = merchants.find(fields["mchid"])
    key = None
    if provider is not None:
        key = merchants.public_key(provider, fields["serial_no"].upper())
    if provider is None or key is None:
        raise sign_error("商户证书序列号有误。请使用签名私钥匹配的证书序列号")
    if abs(wire_time - int(fields["timestamp"])) > MAX_CLOCK_DIFFERENCE_S:
        raise sign_error("Http头Authorization中的timestamp与发起请求的时间不得超过5分钟")
    lines = (request.method, request.target, fields["timestamp"], fields["nonce_str"], "")
    message = "\n".join(lines).encode("latin-1", "replace") + request.body + b"\n"
    if not keys.is_signed(key, message, fields["signature"]):
        raise sign_error("签名错误，请检查后再试", _sign_information(request, message))
    return provider, fields["serial_no"].upper()


def _authorization(header: str) -> dict[str, str]:
    if not header:
        raise sign_error(_MALFORMED)
    scheme, _, rest = header.partition(" ")
    if scheme != _SCHEME:
        raise sign_error("Http头Authorization认证类型不正确")
    found: dict[str, str] = {}
    for pair in rest.split(","):
        match = _PAIR.fullmatch(pair)
        if match is None or match[1] in found:
            raise sign_error(_MALFORMED)
        found[match[1]] = match[2]
    if found.keys() != _GRAMMAR.keys():
        raise sign_error(_MALFORMED)
    if not all(form.fullmatch(found[name]) for name, form in _GRAMMAR.items()):
        raise sign_error(_MALFORMED)
    return found


def _sign_information(request: WireRequest, message: bytes) -> dict[str, Any]:
    """The documented diagnosis: what the server signed, so that a developer can lay theirs beside
    it."""
    shown = message[:SHOWN_MESSAGE].decode("utf-8", "ignore")
    return {
        "field": "signature",
        "issue": "sign not match",
        "location": "authorization",
        "sign_information": {
            "method": request.method,
            "url": request.target,
            "truncated_sign_message": shown,
            "sign_message_length": len(message),
        },
    }
