"""What WeChat checks when a browser outside it follows an h5_url (payments: "Error texts").

The URL must be followed from a web page of the merchant's, as it was given but for an appended
redirect_url, within five minutes, by the payer whose address the order names.
"""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from partner.simulator.clock import MovableClock
from partner.simulator.ledger import Ledger, Order
from partner.simulator.merchants import Merchants
from partner.simulator.order_fields import H5
from partner.simulator.sessions import H5_URL_LIFE_S, h5_package

# Percent-encoded, so that nothing of the redirect_url can be taken for the payment's own.
_QUERY: Final = re.compile(
    r"prepay_id=(?P<session>[0-9A-Za-z]+)&package=(?P<package>[0-9]+)"
    r"(&redirect_url=(?P<back>https?%3A[^&=:?#]+))?",
    re.IGNORECASE,
)


class LandingRefused(Exception):
    """The payer sees this text instead of the cashier."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True)
class Visit:
    """A browser following the URL. `query` is the raw text after the question mark."""

    query: str
    referer: str
    user_agent: str
    address: str


@dataclass(frozen=True)
class Landing:
    """What a good visit comes to; `back` is where the payer goes afterwards."""

    order: Order
    session: str
    back: str


@dataclass(frozen=True)
class H5Door:
    """The page behind h5_url."""

    merchants: Merchants
    ledger: Ledger
    clock: MovableClock

    def enter(self, visit: Visit) -> Landing:
        """The order to pay, or LandingRefused."""
        if "MicroMessenger" in visit.user_agent:
            raise LandingRefused("请在微信外打开订单，进行支付")
        if not visit.referer:
            raise LandingRefused("商家参数格式有误，请联系商家解决")
        match = _QUERY.fullmatch(visit.query)
        if match is None or match["package"] != h5_package(match["session"]):
            raise LandingRefused("签名验证失败")
        order = self._order(match["session"])
        back = next(iter(parse_qs(visit.query).get("redirect_url", [])), None)
        self._require_domains(order, visit.referer, back)
        if not _is_payers(order, visit.address):
            raise LandingRefused(
                "由于商家传入的H5交易参数有误，该笔交易暂时无法完成，请联系商家解决"
            )
        return Landing(order, match["session"], back or visit.referer)

    def _order(self, session: str) -> Order:
        found = self.ledger.find_prepay(session)
        if found is None or found[0].product != H5.name:
            raise LandingRefused("支付请求已失效，请重新发起支付")
        if self.clock.timestamp() - found[1] >= H5_URL_LIFE_S:
            raise LandingRefused("支付请求已失效，请重新发起支付")
        return found[0]

    def _require_domains(self, order: Order, referer: str, back: str | None) -> None:
        provider = self.merchants.find(order.sp_mchid)
        domains = provider.h5_domains if provider else None
        hosts = [urlsplit(url).hostname for url in (referer, back) if url]
        if domains is not None and not all(host in domains for host in hosts):
            raise LandingRefused("商家存在未配置的参数，请联系商家解决")


def _is_payers(order: Order, address: str) -> bool:
    """Whether payer_client_ip is the visitor's own address.

    A visitor on this very machine has none that the order could name, so anything is believed of
    them; of everybody else a loopback address is as wrong as a stranger's.
    """
    named = json.loads(order.parameters)["scene_info"]["payer_client_ip"]
    visitor = ipaddress.ip_address(address)
    return visitor.is_loopback or visitor == ipaddress.ip_address(named)
