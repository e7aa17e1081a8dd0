"""Checkout: a shop that is ready for it, links, and payers with a phone each."""

from __future__ import annotations

import html
import itertools
import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from sqlalchemy import delete, select, update
from werkzeug.test import TestResponse

from config.clock import now
from config.database import changed_rows, db, release, transaction
from config.identifiers import new_id
from config.vault import Secret
from partner.app_secrets import set_app_secret as set_provider_secret
from partner.credentials import default_appid
from partner.models import Partner, PartnerAppid, PartnerDirectory
from partner.simulator.simulator import Simulator
from payments.checkout.links import (
    Found,
    LinkRequest,
    create_link,
    find_link,
    page_url,
    pages_directory,
)
from payments.checkout.models import CheckoutLink
from payments.checkout.standing import Standing, standing_of
from payments.checkout.turns import take_turn
from payments.orders.models import Order
from submerchants.tenancy import acting_for
from submerchants.tenants.app_secrets import set_app_secret
from submerchants.tenants.models import SubMerchant

APP_SECRET = Secret("canary0canary1canary2canary3cana")
WECHAT = (
    "Mozilla/5.0 (Linux; Android 14; 2312DRA50C) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Version/4.0 Chrome/126.0 Mobile Safari/537.36 MicroMessenger/8.0.50 Language/zh_CN"
)

_numbers = itertools.count(1)


def ready_for_checkout(
    partner: Partner, sub_merchant: SubMerchant | None = None, *, sub_appid: str | None = None
) -> None:
    """Set what links need: a directory in force, and the secret of the account that signs in."""
    with transaction() as session:
        session.add(
            PartnerDirectory(
                id=new_id("pdr"),
                partner_id=partner.id,
                url=pages_directory(),
                set_at=now() - timedelta(days=1),
            )
        )
    if sub_merchant is not None and sub_appid is not None:
        set_app_secret(sub_merchant=sub_merchant, sub_appid=sub_appid, secret=APP_SECRET)
    else:
        set_provider_secret(partner=partner, sp_appid=default_appid(partner), secret=APP_SECRET)


def make_link(*, sub_merchant: SubMerchant, partner: Partner, **fields: Any) -> CheckoutLink:
    """A link made through the real use case."""
    usual: dict[str, Any] = {
        "merchant_order_no": f"L{next(_numbers)}",
        "description": "街角茶铺–冻顶乌龙",
        "amount_fen": 2800,
    }
    with acting_for(sub_merchant.id):
        return create_link(
            sub_merchant=sub_merchant, partner=partner, request=LinkRequest(**{**usual, **fields})
        ).link


@dataclass(frozen=True)
class Shop:
    """A sub-merchant whose links can be paid."""

    partner: Partner
    sub_merchant: SubMerchant

    def link(self, **fields: Any) -> CheckoutLink:
        return make_link(sub_merchant=self.sub_merchant, partner=self.partner, **fields)

    def url(self, link: CheckoutLink) -> str:
        """The page of a link."""
        return page_url(link)

    def found(self, link: CheckoutLink) -> Found:
        """The link as whoever opens its page finds it, read anew."""
        return find_link(link.token.reveal())

    def standing(self, link: CheckoutLink) -> Standing:
        """Where the link stands now, whatever this session looked at before."""
        release()
        with acting_for(self.sub_merchant.id):
            return standing_of(link)

    def take_turn(self, link: CheckoutLink, openid: str) -> Order:
        with acting_for(self.sub_merchant.id):
            return take_turn(self.found(link), openid=openid)

    def problem(self, link: CheckoutLink) -> dict[str, Any]:
        """What was last written down about a link."""
        release()
        return dict(json.loads(self.found(link).link.problem or "{}"))

    def forget_secret(self) -> None:
        """As if nobody had ever set it."""
        with transaction():
            changed_rows(update(PartnerAppid).values(app_secret_sealed=None))

    def remove_directories(self) -> None:
        """As if they had been taken away at WeChat Pay."""
        with transaction():
            changed_rows(delete(PartnerDirectory))

    def orders(self) -> list[Order]:
        """Every order of the shop, by its number."""
        with acting_for(self.sub_merchant.id):
            query = select(Order).order_by(Order.merchant_order_no)
            return list(db.session.scalars(query, execution_options={"populate_existing": True}))


class Phone:
    """One payer with WeChat on their phone: its cookies, its bridge, and who holds it."""

    def __init__(
        self, app: Flask, simulator: Simulator, person: str = "payer", language: str = "zh-CN"
    ) -> None:
        self.browser = app.test_client()
        self.simulator = simulator
        self.person = person
        self.url = ""
        self.page = ""
        self._headers = {"User-Agent": WECHAT, "Accept": "text/html", "Accept-Language": language}

    def open(self, url: str) -> TestResponse:
        """Go there, through WeChat's sign-in when it is asked for, until a page stands still."""
        for _ in range(8):
            answer = self.get(url)
            if answer.status_code not in (302, 303):
                self.url, self.page = url, html.unescape(answer.get_data(as_text=True))
                return answer
            url = answer.headers["Location"]
            if urlsplit(url).path == "/connect/oauth2/authorize":
                url = self.sign_in(url)
        raise AssertionError("the pages lead in a circle")

    def get(self, url: str) -> TestResponse:
        """One request, without following where it leads."""
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return self.browser.get(target, headers=self._headers)

    def sign_in(self, url: str) -> str:
        """WeChat's silent sign-in: where it leads back to."""
        self.simulator.people.hand_over(self.person)
        answer = self.simulator.app.test_client().get(url.partition("#")[0])
        assert answer.status_code == 302, answer.get_data(as_text=True)
        return str(answer.headers["Location"])

    def openid(self, appid: str) -> str:
        return self.simulator.people.openid(appid, self.person)

    def tap(self) -> TestResponse:
        """Press the button."""
        return self.post("pay", {})

    def post(self, path: str, body: object, **headers: str) -> TestResponse:
        """A request of the page's script."""
        found = re.search(r'data-proof="([0-9a-f]+)"', self.page)
        proof = {"X-Checkout-Proof": found[1]} if found else {}
        return self.browser.post(
            f"{urlsplit(self.url).path}/{path}",
            json=body,
            headers={**self._headers, "Accept": "application/json", **proof, **headers},
        )

    def pay(self) -> None:
        """Press the button, pass the bridge, and pay."""
        answer = self.tap()
        assert answer.status_code == 200, answer.get_data(as_text=True)
        self.pay_with(answer.get_json()["pay_params"])

    def pay_with(self, params: dict[str, str]) -> None:
        """Bring up the cashier with these parameters, and pay there."""
        order = self.simulator.world.bridge.open_page(params, self.url)
        self.simulator.pay(order.out_trade_no)

    def state(self) -> dict[str, Any]:
        """What the page is told when it asks."""
        return dict(self.get(f"{urlsplit(self.url).path}/state").get_json())
