"""Signatures we make: over each request, and over what opens the cashier on the payer's phone.

Both are SHA-256 with RSA (PKCS #1 v1.5) over lines that end in LF, the last one too. The key is a
key object, loaded once by its owner; parsing PEM costs a hundred signatures. WeChat Pay documents:
"如何生成请求签名" and "如何生成调起支付签名".
"""

import base64
import re
import secrets
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

SCHEME: Final = "WECHATPAY2-SHA256-RSA2048"
NONCE_BYTES: Final = 16  # 32 hex digits on the wire, the customary length

_PADDING: Final = PKCS1v15()
_SHA256: Final = SHA256()
_MCHID: Final = re.compile(r"[0-9A-Za-z]{1,32}")
_SERIAL_NO: Final = re.compile(r"[0-9A-Za-z]{8,40}")


def new_nonce() -> str:
    """A nonce nobody can guess, in letters WeChat Pay accepts."""
    return secrets.token_hex(NONCE_BYTES)


def request_message(method: str, target: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    """The five signed lines of a request; `target` is path and query exactly as they travel."""
    return f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode("ascii") + body + b"\n"


def invoke_message(app_id: str, timestamp: str, nonce: str, opened: str) -> bytes:
    """The four signed lines that open the cashier.

    `opened` is `prepay_id=` and the id for a page or mini program, the bare id for an app.
    """
    return f"{app_id}\n{timestamp}\n{nonce}\n{opened}\n".encode()


def sign(private_key: RSAPrivateKey, message: bytes) -> str:
    """The Base64 signature over `message`."""
    return base64.b64encode(private_key.sign(message, _PADDING, _SHA256)).decode("ascii")


class PayParams(NamedTuple):
    """What the front end hands to WeChat, named letter for letter; `timeStamp` must be text."""

    appId: str  # noqa: N815
    timeStamp: str  # noqa: N815
    nonceStr: str  # noqa: N815
    package: str
    signType: str  # noqa: N815
    paySign: str  # noqa: N815

    def as_dict(self) -> dict[str, str]:
        """The same six values, ready for JSON."""
        return self._asdict()


class AppPayParams(NamedTuple):
    """What an app hands to WeChat's OpenSDK, in the all-lower-case names of its documents."""

    appid: str
    partnerid: str
    prepayid: str
    package: str
    noncestr: str
    timestamp: str
    sign: str

    def as_dict(self) -> dict[str, str]:
        """The same seven values, ready for JSON."""
        return self._asdict()


class Signer:
    """Signs in the name of one merchant number with one merchant API certificate's key.

    `now` is wire time in seconds. It must be the machine's own clock: WeChat Pay refuses requests
    more than five minutes away from its time.
    """

    def __init__(
        self,
        mchid: str,
        serial_no: str,
        private_key: RSAPrivateKey,
        now: Callable[[], float] = time.time,
        nonce: Callable[[], str] = new_nonce,
    ) -> None:
        if not _MCHID.fullmatch(mchid):
            raise ValueError("mchid must be 1 to 32 letters or digits")
        if not _SERIAL_NO.fullmatch(serial_no):
            raise ValueError("serial_no must be 8 to 40 letters or digits")
        self.mchid = mchid
        self.serial_no = serial_no
        self._private_key = private_key
        self._now = now
        self._nonce = nonce

    def authorization(self, method: str, path_with_query: str, body: bytes) -> str:
        """The Authorization header for exactly these bytes; never reuse it for another try."""
        timestamp, nonce = str(int(self._now())), self._nonce()
        message = request_message(method, path_with_query, timestamp, nonce, body)
        signature = sign(self._private_key, message)
        return (
            f'{SCHEME} mchid="{self.mchid}",nonce_str="{nonce}",signature="{signature}",'
            f'timestamp="{timestamp}",serial_no="{self.serial_no}"'
        )

    def pay_params(self, app_id: str, prepay_id: str) -> PayParams:
        """Fresh parameters for JSAPI and mini programs; `app_id` is the one that opens the page."""
        timestamp, nonce, package = str(int(self._now())), self._nonce(), f"prepay_id={prepay_id}"
        return PayParams(
            appId=app_id,
            timeStamp=timestamp,
            nonceStr=nonce,
            package=package,
            signType="RSA",
            paySign=sign(self._private_key, invoke_message(app_id, timestamp, nonce, package)),
        )

    def app_pay_params(self, app_id: str, prepay_id: str) -> AppPayParams:
        """Fresh parameters for a mobile app; `app_id` is the app's own, the partner is ours."""
        timestamp, nonce = str(int(self._now())), self._nonce()
        return AppPayParams(
            appid=app_id,
            partnerid=self.mchid,
            prepayid=prepay_id,
            package="Sign=WXPay",
            noncestr=nonce,
            timestamp=timestamp,
            sign=sign(self._private_key, invoke_message(app_id, timestamp, nonce, prepay_id)),
        )
