"""The way to the Weixin open platform: its addresses out of the settings, one session a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from flask import Flask, current_app
from requests.adapters import BaseAdapter

from config.database import POOL_SIZE, release
from config.settings import Settings, is_loopback
from config.vault import Secret
from partner.wechatpay.sessions import new_session
from partner.weixin.client import WeixinClient, authorise_url


@dataclass(frozen=True, slots=True)
class Weixin:
    """Where payers become known to us."""

    client: WeixinClient
    open_base_url: str

    @property
    def is_simulated(self) -> bool:
        """Whether the simulator plays WeChat: then any browser may pay. Never on a real host."""
        return is_loopback(urlsplit(self.open_base_url).hostname or "")

    def sign_in_url(self, *, appid: str, redirect_uri: str, state: str) -> str:
        """Where a payer's browser is sent."""
        return authorise_url(
            open_base_url=self.open_base_url, appid=appid, redirect_uri=redirect_uri, state=state
        )

    def openid_of(self, *, appid: str, secret: Secret, code: str) -> str:
        """Who came back. Gives the database connection back, since a call comes next."""
        release()
        return self.client.openid_of(appid=appid, secret=secret, code=code)


def init_openids(app: Flask, settings: Settings, adapter: BaseAdapter | None = None) -> None:
    """Give the application its way to Weixin; `adapter` stands in for the network."""
    session = new_session(POOL_SIZE, adapter)
    app.extensions["weixin"] = Weixin(
        WeixinClient(session, settings.weixin_api_base_url), settings.weixin_open_base_url
    )


def weixin() -> Weixin:
    """The current application's."""
    return cast("Weixin", current_app.extensions["weixin"])
