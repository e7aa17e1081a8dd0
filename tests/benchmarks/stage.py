"""What the programs under test share: one database, one provider's keys, one upstream.

The stage is described by a JSON file whose name stands in the environment variable BENCH_STAGE, so
that a web server's workers find it.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import make_url

from partner.simulator.home import Home

VARIABLE = "BENCH_STAGE"


@dataclass(frozen=True)
class Stage:
    """Where everything is. `folder` holds the simulator's home and the upstream's certificate."""

    folder: Path
    database_url: str
    upstream_url: str
    variables: dict[str, str]

    @classmethod
    def from_environment(cls) -> Self:
        written = json.loads(Path(os.environ[VARIABLE]).read_text())
        return cls(**{**written, "folder": Path(written["folder"])})

    def write(self) -> Path:
        """Keep it for the programs to read."""
        path = self.folder / "stage.json"
        path.write_text(json.dumps({**asdict(self), "folder": str(self.folder)}))
        return path

    @property
    def home(self) -> Path:
        return self.folder / "simulator"

    @cached_property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.home / "simulator.json").read_text())
        return facts

    @property
    def authority(self) -> Path:
        """The certificate by which the upstream is trusted."""
        return self.folder / "upstream.crt"

    @property
    def driver_url(self) -> str:
        """The database as the bare driver wants it named."""
        url = make_url(self.database_url).set(drivername="postgresql")
        return url.render_as_string(hide_password=False)

    def file(self, name: str) -> str:
        """One of the provider's files."""
        return (self.home / name).read_text()

    def wire_order(self, out_trade_no: str, asked: dict[str, Any]) -> dict[str, Any]:
        """The order as WeChat Pay takes it."""
        sub = self.facts["sub_merchants"][0]
        return {
            "sp_appid": self.facts["sp_appid"],
            "sp_mchid": self.facts["sp_mchid"],
            "sub_appid": sub["sub_appid"],
            "sub_mchid": sub["sub_mchid"],
            "description": asked["description"],
            "out_trade_no": out_trade_no,
            "notify_url": "https://pay.example.test/notify",
            "amount": {"total": asked["amount_fen"], "currency": "CNY"},
            "payer": asked["payer"],
        }


def set_stage(folder: Path, database_url: str, upstream_port: int) -> Stage:
    """Make keys and certificates, and describe the stage."""
    home = Home(folder / "simulator")
    home.describe(home.open(), f"https://127.0.0.1:{upstream_port}")
    _make_certificate(folder)
    upstream_url = f"https://127.0.0.1:{upstream_port}"
    variables = {
        "DATABASE_URL": database_url,
        "MASTER_KEYS": f"bench:{base64.b64encode(os.urandom(32)).decode()}",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "PUBLIC_BASE_URL": "https://pay.example.test",
        "WECHATPAY_BASE_URL": upstream_url,
        "WECHATPAY_FALLBACK_BASE_URL": upstream_url,
    }
    return Stage(folder, database_url, upstream_url, variables)


def _make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    moment = datetime.now(UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(minutes=5))
        .not_valid_after(moment + timedelta(days=1))
        .add_extension(loopback, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "upstream.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "upstream.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
