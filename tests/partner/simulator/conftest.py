"""A simulator per test, a merchant who signs for himself, and a receiver for notifications.

Nothing here comes from the platform: the simulator is a product of its own and is tested as one.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import load_pem_x509_certificate
from playwright.sync_api import Browser, Page
from werkzeug.serving import make_server

from partner.simulator import Simulator, WsgiAdapter

BASE = "http://simulator.localhost"
RECEIVER = "http://receiver.localhost/notify"
ORDERS = "/v3/pay/partner/transactions"
PAYER = "oAAAAbbbbCCCCddddEEEEffff0001"


@dataclass
class Receiver:
    """A merchant's notification address as a WSGI application: keeps what came, answers as told."""

    statuses: list[int] = field(default_factory=list)
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read()
        names = {key[5:].replace("_", "-").title(): key for key in environ if key[:5] == "HTTP_"}
        self.received.append(({name: environ[key] for name, key in names.items()}, body))
        status = self.statuses.pop(0) if self.statuses else 204
        start_response(f"{status} Told", [("Location", "http://elsewhere.localhost/")])
        return [b'{"code":"FAIL","message":"as told"}'] if status >= 300 else []

    def envelopes(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.received]


@dataclass
class Merchant:
    """A service provider's own few lines of API v3: sign, send, and check what comes back."""

    session: requests.Session
    mchid: str
    serial_no: str
    key: rsa.RSAPrivateKey
    wechatpay_keys: dict[str, rsa.RSAPublicKey]
    order: dict[str, Any]
    public_key_id: str | None = None
    base: str = BASE

    def authorization(self, method: str, target: str, body: bytes, **other: str) -> str:
        told = {"timestamp": str(int(time.time())), "nonce_str": "k3Tq8ZrW1mBv6XyN0pLs5HdJ"}
        told |= {"mchid": self.mchid, "serial_no": self.serial_no, **other}
        lines = f"{method}\n{target}\n{told['timestamp']}\n{told['nonce_str']}\n".encode()
        message = lines + body + b"\n"
        signature = self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        told.setdefault("signature", base64.b64encode(signature).decode())
        pairs = ",".join(f'{name}="{value}"' for name, value in told.items())
        return f"WECHATPAY2-SHA256-RSA2048 {pairs}"

    def call(
        self,
        method: str,
        target: str,
        body: Any = None,
        headers: dict[str, str | None] | None = None,
    ) -> requests.Response:
        raw = body if isinstance(body, bytes) else b""
        if body is not None and not isinstance(body, bytes):
            raw = json.dumps(body, ensure_ascii=False).encode()
        sent: dict[str, str | None] = {
            "Accept": "application/json",
            "User-Agent": "a stranger's SDK",
            "Authorization": self.authorization(method, target, raw),
        }
        if raw:
            sent["Content-Type"] = "application/json"
        if self.public_key_id:
            sent["Wechatpay-Serial"] = self.public_key_id
        sent |= headers or {}
        present = {name: value for name, value in sent.items() if value is not None}
        return self.session.request(
            method, self.base + target, data=raw, headers=present, timeout=3
        )

    def place(self, **changes: Any) -> requests.Response:
        order = {**self.order, **changes}
        order = {name: value for name, value in order.items() if value is not None}
        return self.call("POST", f"{ORDERS}/jsapi", order)

    def query(self, out_trade_no: str, sub_mchid: str | None = None) -> requests.Response:
        sub = sub_mchid or self.order["sub_mchid"]
        target = f"{ORDERS}/out-trade-no/{out_trade_no}?sp_mchid={self.mchid}&sub_mchid={sub}"
        return self.call("GET", target)

    def close(self, out_trade_no: str, sub_mchid: str | None = None) -> requests.Response:
        sub = sub_mchid or self.order["sub_mchid"]
        body = {"sp_mchid": self.mchid, "sub_mchid": sub}
        return self.call("POST", f"{ORDERS}/out-trade-no/{out_trade_no}/close", body)

    def is_genuine(self, response: requests.Response) -> bool:
        """Whether an answer carries WeChat Pay's signature over its raw bytes."""
        return is_signed(self.wechatpay_keys, dict(response.headers), response.content)


def is_signed(known: dict[str, rsa.RSAPublicKey], headers: dict[str, str], body: bytes) -> bool:
    """WeChat Pay's rule for answers and notifications, written down once more."""
    lower = {name.lower(): value for name, value in headers.items()}
    key = known.get(lower.get("wechatpay-serial", ""))
    if key is None:
        return False
    head = f"{lower['wechatpay-timestamp']}\n{lower['wechatpay-nonce']}\n".encode()
    try:
        signature = base64.b64decode(lower["wechatpay-signature"], validate=True)
        key.verify(signature, head + body + b"\n", padding.PKCS1v15(), hashes.SHA256())
    except Exception:
        return False
    return True


def wechatpay_keys(home: Path, facts: dict[str, Any]) -> dict[str, rsa.RSAPublicKey]:
    """What a merchant knows of WeChat Pay: the public key and the platform certificate in DIR."""
    public_key = (home / "wechatpay_public_key.pem").read_text()
    certificate = (home / "platform_cert.pem").read_text()
    return keys_told(
        {
            **facts,
            "wechatpay_public_key_pem": public_key,
            "platform_certificate_pem": certificate,
        }
    )


def keys_told(told: dict[str, Any]) -> dict[str, rsa.RSAPublicKey]:
    """WeChat Pay's two keys for a provider, out of what its registration answers."""
    public = serialization.load_pem_public_key(told["wechatpay_public_key_pem"].encode())
    certificate = load_pem_x509_certificate(told["platform_certificate_pem"].encode())
    certified = certificate.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    assert isinstance(certified, rsa.RSAPublicKey)
    return {told["wechatpay_public_key_id"]: public, told["platform_serial_no"]: certified}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One DIR for the whole run: its key pairs take a second to make."""
    return tmp_path_factory.mktemp("simulator")


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def sim(home: Path, receiver: Receiver) -> Iterator[Simulator]:
    session = requests.Session()
    session.mount("http://receiver.localhost", WsgiAdapter(receiver))
    simulator = Simulator(home, base_url=BASE, persistent=False, deliver_session=session)
    yield simulator
    simulator.close()
    session.close()


@pytest.fixture
def web(sim: Simulator) -> Iterator[requests.Session]:
    """A person or a script in front of the simulator."""
    with requests.Session() as session:
        session.mount(BASE, WsgiAdapter(sim.app))
        session.mount("https://api.mch.weixin.qq.com", WsgiAdapter(sim.app))
        yield session


@pytest.fixture
def merchant(sim: Simulator, home: Path, web: requests.Session) -> Merchant:
    """The default provider, with an order any test may place."""
    facts = json.loads((home / "simulator.json").read_text())
    key = serialization.load_pem_private_key((home / "apiclient_key.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    order = {
        "sp_appid": facts["sp_appid"],
        "sp_mchid": facts["sp_mchid"],
        "sub_mchid": facts["sub_merchants"][0]["sub_mchid"],
        "description": "山茶咖啡-大杯拿铁",
        "out_trade_no": "T20260301-000042",
        "notify_url": RECEIVER,
        "attach": "tenant=7",
        "amount": {"total": 1880, "currency": "CNY"},
        "payer": {"sp_openid": PAYER},
    }
    known = wechatpay_keys(home, facts)
    return Merchant(web, facts["sp_mchid"], facts["serial_no"], key, known, order)


@pytest.fixture
def other(merchant: Merchant, web: requests.Session) -> Merchant:
    """A further provider with a sub-merchant, and with WeChat Pay's keys for it alone."""
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    public_key = merchant.key.public_key().public_bytes(serialization.Encoding.PEM, spki)
    registration = {
        "sp_mchid": "1900000801",
        "sp_appid": "wx7a51c0ffee000801",
        "serial_no": "ABCDEF0123456789",
        "public_key_pem": public_key.decode(),
        "api_v3_key": "k" * 32,
        "sub_merchants": [{"sub_mchid": "1900000811", "name": "乙店"}],
    }
    told = web.post(f"{BASE}/_simulator/merchants", json=registration).json()
    numbers = {name: registration[name] for name in ("sp_mchid", "sp_appid")}
    return replace(
        merchant,
        mchid="1900000801",
        serial_no="ABCDEF0123456789",
        wechatpay_keys=keys_told(told),
        order={**merchant.order, **numbers, "sub_mchid": "1900000811"},
    )


@pytest.fixture
def address(sim: Simulator) -> Iterator[str]:
    """The simulator behind a port, for browsers."""
    server = make_server("127.0.0.1", 0, sim.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def phone(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page at phone width, and everything it complained about."""
    complaints: list[str] = []

    def complained(message: Any) -> None:
        complaints.append(getattr(message, "text", str(message)))

    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.on("console", complained)
    page.on("pageerror", complained)
    yield page, complaints
    page.close()


@pytest.fixture
def paid(merchant: Merchant, sim: Simulator) -> Merchant:
    """The order of 18.80 yuan, paid."""
    merchant.place()
    sim.pay(merchant.order["out_trade_no"])
    return merchant


@pytest.fixture
def refunding(merchant: Merchant, sim: Simulator, receiver: Receiver) -> Merchant:
    """A paid order, told of, whose next refund is held until somebody settles it."""
    merchant.place()
    sim.pay(merchant.order["out_trade_no"])
    sim.notifier.deliver_due()
    receiver.received.clear()
    sim.refund_outcomes.set("HOLD")
    return merchant
