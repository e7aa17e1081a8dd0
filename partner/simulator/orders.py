"""Place, query and close: the rules of the partner order APIs, whatever the product.

Each function takes a checked body and the provider who signed, and either returns the document to
answer with or raises the Refusal WeChat Pay would send. HTTP stays in `app.py`, storage in
`ledger.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from partner.simulator import refusals as no
from partner.simulator.clock import MovableClock, parse_rfc3339, rfc3339
from partner.simulator.fields import parse_body
from partner.simulator.ledger import Ledger, NewOrder, Order
from partner.simulator.merchants import Merchants, Provider, SubMerchant
from partner.simulator.order_fields import CLOSE_BODY, CODE, Product
from partner.simulator.people import People
from partner.simulator.sessions import new_session

SHORTEST_LIFE_S: Final = 60
DEFAULT_LIFE_S: Final = 7 * 86400
LONGEST_LIFE_S: Final = 15 * 86400

STATE_TEXTS: Final = {
    "NOTPAY": "订单未支付",
    "SUCCESS": "支付成功",
    "CLOSED": "订单已关闭",
    "REFUND": "订单发生过退款，退款详情请查询退款单",
    "USERPAYING": "用户支付中",
    "PAYERROR": "支付失败",
    "REVOKED": "订单已撤销",
}


@dataclass(frozen=True)
class Orders:
    """The order desk."""

    ledger: Ledger
    merchants: Merchants
    people: People
    clock: MovableClock

    def place(self, provider: Provider, product: Product, raw: bytes, public_key: bool) -> str:
        """Open the order, or re-enter it with the same parameters; the id of its fresh session."""
        body = parse_body(raw, product.table)
        if body["sp_mchid"] != provider.sp_mchid:
            raise no.header_mchid_mismatch()
        self.require_standing(provider, product, body)
        if "payer" in body:
            self._require_payer(body)
        now = self.clock.timestamp()
        order = new_order(body, product, now, public_key)
        if self.ledger.add(order):
            return order.prepay_id
        return self._re_enter(order, now)

    def query(self, provider: Provider, found: Order | None, query: dict[str, str]) -> Order:
        """The order, if it exists and the numbers in the query fit it."""
        for name in ("sp_mchid", "sub_mchid"):
            if not query.get(name):
                message = f"输入源“/query/{name}”为必填项，不能缺少"
                raise no.param_error(message, field=name, location="query")
        if query["sp_mchid"] != provider.sp_mchid:
            raise no.param_error(
                "http header中的mchid与请求参数中的sp_mchid不匹配", number=268447843
            )
        return self.own_order(provider, found, query["sub_mchid"])

    def close(self, provider: Provider, out_trade_no: str, raw: bytes) -> None:
        """Close an unpaid order; closing a closed one succeeds again."""
        body = parse_body(raw, CLOSE_BODY)
        if body["sp_mchid"] != provider.sp_mchid:
            raise no.header_mchid_mismatch()
        found = self.ledger.find(provider.sp_mchid, out_trade_no)
        order = self.own_order(provider, found, body["sub_mchid"])
        if order.product == CODE.name:
            raise no.only_reversible()
        if order.trade_state == "CLOSED" or self.ledger.mark_closed(order):
            return
        # Not closed and not to be closed: a payment won the race, or had won it long ago.
        again = self.ledger.find(provider.sp_mchid, out_trade_no)
        if again is not None and again.is_paid:
            raise no.order_paid()

    def own_order(self, provider: Provider, found: Order | None, sub_mchid: str) -> Order:
        """The order as it stands now, if it is the provider's and this sub-merchant's."""
        if not self.merchants.knows_sub_mchid(sub_mchid):
            raise no.merchant_unknown()
        if sub_mchid not in provider.sub_merchants:
            raise no.no_auth("受理关系不存在")
        if found is None:
            raise no.order_unknown()
        if found.sub_mchid != sub_mchid:
            raise no.foreign_order()
        return self.ledger.settle_overdue(found, self.clock.timestamp())

    def require_standing(self, provider: Provider, product: Product, body: dict[str, Any]) -> None:
        """The relation, the product's authorisation, and the appid bindings, in this order."""
        sub_mchid = body["sub_mchid"]
        if sub_mchid == provider.sp_mchid:
            raise no.param_error("子商户mchid不能与自身mchid相同", number=268443705)
        sub = provider.sub_merchants.get(sub_mchid)
        if sub is None and not self.merchants.knows_sub_mchid(sub_mchid):
            raise no.merchant_unknown()
        if sub is None or not sub.related:
            raise no.no_auth("受理关系不存在")
        if product.permission not in sub.permissions:
            raise no.no_auth("特约子商户商户号未授权服务商的产品权限", number=268443701)
        if sub.restricted:
            raise no.no_auth("此商家的收款功能已被限制，暂无法支付", number=268448010)
        _require_bindings(provider, sub, body)

    def _require_payer(self, body: dict[str, Any]) -> None:
        payer = body["payer"]
        if not payer:
            message = "JSAPI支付必须传入openid：payer.sp_openid与payer.sub_openid至少填写一个"
            raise no.param_error(message, field="/payer", value={}, number=268501013)
        if "sub_openid" in payer and "sub_appid" not in body:
            message = "传入sub_openid时，sub_appid为必填项"
            raise no.param_error(message, field="/sub_appid")
        texts = {"sp": "appid和openid不匹配", "sub": "sub_appid和sub_openid不匹配"}
        for side, text in texts.items():
            openid = payer.get(f"{side}_openid")
            owner = openid and self.people.appid_of(openid)
            if owner and owner != body[f"{side}_appid"]:
                raise no.param_error(text, field=f"/payer/{side}_openid", value=openid)

    def _re_enter(self, order: NewOrder, now: float) -> str:
        """The number is taken: continue the same order, or say why that cannot be."""
        known = self.ledger.find(order.sp_mchid, order.out_trade_no)
        assert known is not None, "orders are never deleted"
        known = self.ledger.settle_overdue(known, now)
        if known.is_paid:
            raise no.order_paid()
        if known.trade_state == "CLOSED":
            raise no.order_closed()
        if known.parameters != order.parameters:
            raise no.number_used()
        if now >= known.expires_at:
            raise no.order_expired()
        if not self.ledger.renew_prepay(known, order.prepay_id, now, order.wants_public_key):
            return self._re_enter(order, now)
        return order.prepay_id


def present(order: Order) -> dict[str, Any]:
    """The transaction object of queries and notifications (payments: "Transaction object")."""
    shown: dict[str, Any] = {"sp_appid": order.sp_appid, "sp_mchid": order.sp_mchid}
    if order.sub_appid:
        shown["sub_appid"] = order.sub_appid
    shown |= {
        "sub_mchid": order.sub_mchid,
        "out_trade_no": order.out_trade_no,
        "trade_state": order.trade_state,
        "trade_state_desc": STATE_TEXTS[order.trade_state],
    }
    if not order.is_paid or order.success_at is None:
        return shown | {"amount": {"total": order.total, "currency": order.currency}, "payer": {}}
    if order.attach:
        shown["attach"] = order.attach
    shown |= {
        "transaction_id": order.transaction_id,
        "trade_type": order.trade_type,
        "bank_type": order.bank_type,
        "success_time": rfc3339(order.success_at),
        "payer": _payer(order),
        "amount": {
            "total": order.total,
            "payer_total": order.payer_total,
            "currency": order.currency,
            "payer_currency": order.currency,
        },
    }
    if order.device_id:
        shown["scene_info"] = {"device_id": order.device_id}
    if order.promotion:
        shown["promotion_detail"] = json.loads(order.promotion)
    return shown


def _payer(order: Order) -> dict[str, str | None]:
    payer = {"sp_openid": order.sp_openid}
    if order.sub_appid:
        payer["sub_openid"] = order.sub_openid
    return payer


def _require_bindings(provider: Provider, sub: SubMerchant, body: dict[str, Any]) -> None:
    if body["sp_appid"] not in provider.sp_appids:
        raise no.appid_mismatch("appid和mch_id不匹配，请检查后再试")
    if "sub_appid" in body and body["sub_appid"] not in sub.sub_appids:
        raise no.appid_mismatch("sub_mch_id与sub_appid不匹配")


def new_order(body: dict[str, Any], product: Product, now: float, public_key: bool) -> NewOrder:
    """The order a checked body asks for."""
    payer = body.get("payer", {})
    expires_at = _expiry(body.get("time_expire"), now)
    return NewOrder(
        sp_mchid=body["sp_mchid"],
        out_trade_no=body["out_trade_no"],
        sub_mchid=body["sub_mchid"],
        sp_appid=body["sp_appid"],
        sub_appid=body.get("sub_appid"),
        product=product.name,
        description=body["description"],
        attach=body.get("attach"),
        device_id=body.get("scene_info", {}).get("device_id"),
        notify_url=body.get("notify_url", ""),
        total=body["amount"]["total"],
        currency=body["amount"].get("currency", "CNY"),
        parameters=_fingerprint(body, product),
        wants_public_key=public_key,
        sp_openid=payer.get("sp_openid"),
        sub_openid=payer.get("sub_openid"),
        prepay_id="" if product is CODE else new_session(product, now),
        created_at=now,
        expires_at=expires_at,
        # Past time_expire an order can no longer be paid, but queries find it unpaid until
        # somebody, or its full life of seven days, closes it.
        closes_at=max(expires_at, now + DEFAULT_LIFE_S),
    )


def _expiry(time_expire: str | None, now: float) -> float:
    if time_expire is None:
        return now + DEFAULT_LIFE_S
    asked = parse_rfc3339(time_expire).timestamp()
    return min(max(asked, now + SHORTEST_LIFE_S), now + LONGEST_LIFE_S)


def _fingerprint(body: dict[str, Any], product: Product) -> str:
    """What must be the same on re-entry: every parameter and the endpoint; not the order of the
    keys."""
    amount = {"currency": "CNY", **body["amount"]}
    whole = {**body, "amount": amount, "": product.name}
    return json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
