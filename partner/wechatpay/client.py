"""WeChat Pay as one object with one attribute per family of calls.

Everything it needs is handed in: a transport (session, signer, verifier, hosts, timing), the APIv3
keys, and WeChat Pay's key for what has to be sealed. Building it costs nothing and reads nothing,
so a process builds one per credential and keeps it.
"""

from collections.abc import Sequence

from partner.wechatpay.resources.bills import Bills
from partner.wechatpay.resources.certificates import Certificates
from partner.wechatpay.resources.echo import Echo
from partner.wechatpay.resources.refunds import Refunds, SealingKey
from partner.wechatpay.resources.transactions import Transactions
from partner.wechatpay.signing import AppPayParams, PayParams
from partner.wechatpay.transport import Transport


class WeChatPayClient:
    """The calls of one service provider, whose sp_mchid is the signer's; shared by all threads."""

    def __init__(
        self,
        transport: Transport,
        api_v3_keys: Sequence[bytes],
        sealing_key: SealingKey | None = None,
    ) -> None:
        self._signer = transport.signer
        self.transactions = Transactions(transport, transport.signer.mchid)
        self.certificates = Certificates(transport, api_v3_keys)
        self.refunds = Refunds(transport, sealing_key)
        self.bills = Bills(transport)
        self.echo = Echo(transport)

    def pay_params(self, app_id: str, prepay_id: str) -> PayParams:
        """Fresh signed parameters that open the cashier on a page or in a mini program."""
        return self._signer.pay_params(app_id, prepay_id)

    def app_pay_params(self, app_id: str, prepay_id: str) -> AppPayParams:
        """Fresh signed parameters that open the cashier from a mobile app."""
        return self._signer.app_pay_params(app_id, prepay_id)
