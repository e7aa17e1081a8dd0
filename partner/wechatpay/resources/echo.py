"""WeChat Pay's self-test: it sends back what we sent, if signing and verifying work both ways.

WeChat Pay document: "商户签名验签/加解密测试".
"""

from partner.wechatpay import wire
from partner.wechatpay.errors import Malformed, OutcomeUnknown, UnknownReason
from partner.wechatpay.transport import Transport, path

_LONGEST_MESSAGE = 4_096


class Echo:
    """A call that changes nothing and proves the whole way there and back."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def ask(self, message: str) -> str:
        """The message as WeChat Pay heard it."""
        reply = self._transport.send(
            "POST",
            path("v3", "security", "echo"),
            body=wire.compact_json({"echo_message": message}),
            repeatable=True,
            endpoint="echo",
        )
        try:
            return wire.text(wire.read_object(reply), "echo_message", longest=_LONGEST_MESSAGE)
        except Malformed as error:
            raise OutcomeUnknown(UnknownReason.REPLY_MALFORMED, error) from error
