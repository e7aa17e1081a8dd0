"""What the WeChat client checks before it opens the cashier (payments: "Client-side invoke").

A page in WeChat calls its bridge, an app the OpenSDK; both bring what the merchant signed. Whoever
calls with something wrong gets the text a payer would see, and no cashier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from partner.simulator import keys
from partner.simulator.clock import MovableClock
from partner.simulator.ledger import Ledger, Order
from partner.simulator.merchants import Merchants, Provider
from partner.simulator.order_fields import APP, JSAPI, Product
from partner.simulator.sessions import SESSION_LIFE_S

PAGE_PARAMETERS: Final = ("appId", "timeStamp", "nonceStr", "package", "signType", "paySign")
APP_PARAMETERS: Final = (
    *("appid", "partnerid", "prepayid", "package"),
    *("noncestr", "timestamp", "sign"),
)
APP_PACKAGE: Final = "Sign=WXPay"
NO_AMOUNT: Final = "调用支付JSAPI缺少参数：total_fee"
WRONG_SCENE: Final = "支付场景非法"
WRONG_APPID: Final = "商户传入的appid参数不正确，请联系商户处理"
WRONG_SIGNATURE: Final = "支付验证签名失败"


class InvokeRefused(Exception):
    """The client says no; the text is what the payer reads."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True)
class Bridge:
    """The client's checks."""

    merchants: Merchants
    ledger: Ledger
    clock: MovableClock

    def open_page(self, params: Mapping[str, Any], url: str) -> Order:
        """`getBrandWCPayRequest` by the page at `url`: the order to show the cashier of."""
        _require_texts(params, PAGE_PARAMETERS)
        prefix, _, prepay_id = params["package"].partition("prepay_id=")
        order = self._payable(prepay_id) if not prefix else None
        if order is None or params["appId"] not in (order.sp_appid, order.sub_appid):
            raise InvokeRefused(NO_AMOUNT)
        lines = (params["appId"], params["timeStamp"], params["nonceStr"], params["package"])
        is_rsa = params["signType"] == "RSA"
        provider = self._checked(order, JSAPI, lines, params["paySign"] if is_rsa else "")
        self._require_directory(provider, order, url)
        return order

    def open_app(self, params: Mapping[str, Any]) -> Order:
        """`PayReq` by an app, in the pages' lower-case names: the order to show the cashier of."""
        _require_texts(params, APP_PARAMETERS)
        order = self._payable(params["prepayid"])
        if order is None or params["package"] != APP_PACKAGE:
            raise InvokeRefused(NO_AMOUNT)
        is_own = params["appid"] in (order.sp_appid, order.sub_appid)
        if not is_own or params["partnerid"] not in (order.sp_mchid, order.sub_mchid):
            raise InvokeRefused(WRONG_APPID)
        # The fourth line is the bare prepay_id: neither `package` nor `partnerid` is signed.
        lines = (params["appid"], params["timestamp"], params["noncestr"], params["prepayid"])
        self._checked(order, APP, lines, params["sign"])
        return order

    def _payable(self, prepay_id: str) -> Order | None:
        """The order of a session that still lives; InvokeRefused when it cannot be paid any
        more."""
        found = self.ledger.find_prepay(prepay_id)
        now = self.clock.timestamp()
        if found is None or now - found[1] >= SESSION_LIFE_S:
            return None
        order = self.ledger.settle_overdue(found[0], now)
        if order.is_paid:
            raise InvokeRefused("该订单已支付，请勿重复支付")
        if order.trade_state != "NOTPAY":
            raise InvokeRefused("该订单已关闭，请重新下单")
        if now >= order.expires_at:
            raise InvokeRefused("该订单已过支付截止时间，请重新下单")
        return order

    def _checked(
        self, order: Order, product: Product, lines: tuple[str, ...], signature: str
    ) -> Provider:
        """The provider whose key made the signature, over an order of the right way to pay."""
        if order.product != product.name:
            raise InvokeRefused(WRONG_SCENE)
        provider = self.merchants.find(order.sp_mchid)
        assert provider is not None, "providers are never deleted"
        message = "".join(f"{line}\n" for line in lines).encode()
        known = (self.merchants.public_key(provider, serial) for serial in provider.public_keys)
        if not any(key and keys.is_signed(key, message, signature) for key in known):
            raise InvokeRefused(WRONG_SIGNATURE)
        return provider

    @staticmethod
    def _require_directory(provider: Provider, order: Order, url: str) -> None:
        """One match at either level is enough; where neither level has a list, nobody looks."""
        sub = provider.sub_merchants.get(order.sub_mchid)
        levels = (provider.payment_directories, sub.payment_directories if sub else None)
        listed = [directories for directories in levels if directories is not None]
        if listed and not any(serves(one, url) for directories in listed for one in directories):
            raise InvokeRefused(f"当前页面的URL未注册：{url.partition('?')[0].partition('#')[0]}")


def serves(directory: str, url: str) -> bool:
    """Whether a payment directory serves the page at `url`.

    A bare domain serves every page of its scheme and host. One with a path serves the pages that
    lie in exactly this directory, not in those below. Upper and lower case are different.
    """
    registered, page = urlsplit(directory), urlsplit(url)
    if (registered.scheme, registered.netloc) != (page.scheme, page.netloc):
        return False
    return registered.path == "/" or registered.path == page.path.rpartition("/")[0] + "/"


def _require_texts(params: Mapping[str, Any], names: tuple[str, ...]) -> None:
    # A number where a text belongs works on some phones and fails on others: here it always fails.
    for name in names:
        if not isinstance(params.get(name), str) or not params[name]:
            raise InvokeRefused(f"调用支付JSAPI缺少参数：{name}")
