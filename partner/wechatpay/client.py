"""WeChat Pay as one object with one attribute per family of calls.

Everything it needs is handed in: a transport (session, signer, verifier, hosts, timing) and the
APIv3 keys. Building it costs nothing and reads nothing, so a process builds one per credential and
keeps it.
"""

from collections.abc import Sequence

from partner.wechatpay.resources.bills import Bills
from partner.wechatpay.resources.certificates import Certificates
from partner.wechatpay.resources.echo import Echo
from partner.wechatpay.resources.transactions import Transactions
from partner.wechatpay.signing import PayParams
from partner.wechatpay.transport import Transport


class WeChatPayClient:
    """The calls of one service provider, whose sp_mchid is the signer's; shared by all threads."""

    def __init__(self, transport: Transport, api_v3_keys: Sequence[bytes]) -> None:
        self._signer = transport.signer
        self.transactions = Transactions(transport, transport.signer.mchid)
        self.certificates = Certificates(transport, api_v3_keys)
        self.bills = Bills(transport)
        self.echo = Echo(transport)

    def pay_params(self, app_id: str, prepay_id: str) -> PayParams:
        """Fresh signed parameters that open the cashier for this prepay session."""
        return self._signer.pay_params(app_id, prepay_id)
