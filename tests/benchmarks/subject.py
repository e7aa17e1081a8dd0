"""The application under test, as it is; only its trust in the stage's certificate is added."""

from __future__ import annotations

from typing import Any

import requests

import wsgi
from config.database import POOL_SIZE
from config.settings import Settings
from partner.wechatpay.sessions import HOSTS, SignedAdapter
from tests.benchmarks.stage import Stage

stage = Stage.from_environment()


class TrustingAdapter(SignedAdapter):
    """The real adapter, to a server whose certificate the stage made."""

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        return super().send(request, *args, **{**kwargs, "verify": str(stage.authority)})


app = wsgi.create_app(
    Settings.from_values(stage.variables), upstream=TrustingAdapter(HOSTS, POOL_SIZE)
)
# One key carries the whole load here; requests are still counted.
app.config["API_WRITES_A_MINUTE"] = 10**9
