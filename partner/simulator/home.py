"""The files of DIR: what a developer copies into an SDK, and the private halves WeChat Pay keeps.

The first start makes them, every later start reuses them. Files in DIR itself belong to the first
provider's side; the folder `wechatpay-private` is WeChat Pay's own and no SDK ever needs it. It
holds the keys for the first provider, and a folder for each further one, named by its number.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from partner.simulator import keys
from partner.simulator.keys import PlatformCertificate, SigningKey

DEFAULT_SP_MCHID = "1900000901"
DEFAULT_SP_APPID = "wx7a51c0ffee000901"
DEFAULT_SUB_MERCHANTS: tuple[dict[str, str], ...] = (
    {"sub_mchid": "1900000911", "sub_appid": "wx7a51c0ffee000911", "name": "山茶咖啡（静安店）"},
    {"sub_mchid": "1900000912", "sub_appid": "wx7a51c0ffee000912", "name": "好邻居生鲜超市"},
    {"sub_mchid": "1900000913", "sub_appid": "wx7a51c0ffee000913", "name": "青禾书店"},
)
PRIVATE_FOLDER = "wechatpay-private"


@dataclass
class KeyRing:
    """WeChat Pay's private halves for one provider. The newest platform certificate comes last and
    signs."""

    sp_mchid: str
    authority_key: rsa.RSAPrivateKey
    public_key: SigningKey
    certificates: list[PlatformCertificate]

    @property
    def certificate(self) -> PlatformCertificate:
        return self.certificates[-1]

    def told(self) -> dict[str, str]:
        """What the provider gets of them: public halves and the names they go by."""
        public_key = self.public_key.private_key.public_key()
        return {
            "wechatpay_public_key_id": self.public_key.serial,
            "wechatpay_public_key_pem": keys.public_pem(public_key).decode(),
            "platform_serial_no": self.certificate.serial,
            "platform_certificate_pem": keys.certificate_pem(self.certificate.certificate).decode(),
        }

    def by_serial(self, serial: str) -> SigningKey | None:
        """The key a request may name in Wechatpay-Serial."""
        if serial == self.public_key.serial:
            return self.public_key
        found = (one.signing_key for one in self.certificates if one.serial == serial)
        return next(found, None)


class Home:
    """DIR. `open()` makes what is missing; nothing that exists is ever replaced except
    simulator.json."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._private = folder / PRIVATE_FOLDER

    def open(self) -> KeyRing:
        """Make or read the first provider's keys; afterwards its files are all there."""
        ring = self.open_ring(DEFAULT_SP_MCHID)
        self._provider_files(ring.authority_key)
        pem = ring.told()["wechatpay_public_key_pem"].encode()
        self._write("wechatpay_public_key.pem", pem, private=False)
        self._show_certificate(ring)
        return ring

    def open_ring(self, sp_mchid: str) -> KeyRing:
        """Make or read WeChat Pay's keys for one provider. Making them takes a moment."""
        folder = self._folder_of(sp_mchid)
        for private in (self._private, folder):
            private.mkdir(parents=True, exist_ok=True, mode=0o700)
            private.chmod(0o700)
        authority = self._key(self._private / "authority_key.pem")
        public_key = self._public_key(folder, sp_mchid)
        return KeyRing(sp_mchid, authority, public_key, self._certificates(folder, authority))

    def rotate_certificate(self, ring: KeyRing) -> PlatformCertificate:
        """A new platform certificate beside the old ones; from now on it signs."""
        fresh = keys.issue_platform_certificate(ring.authority_key)
        folder = self._folder_of(ring.sp_mchid)
        self._keep_certificate(folder, len(ring.certificates) + 1, fresh)
        ring.certificates.append(fresh)
        if ring.sp_mchid == DEFAULT_SP_MCHID:
            self._show_certificate(ring)
        return fresh

    def provider(self) -> dict[str, Any]:
        """The default provider in the form `POST /_simulator/merchants` takes."""
        certificate = (self.folder / "apiclient_cert.pem").read_text()
        return {
            "sp_mchid": DEFAULT_SP_MCHID,
            "sp_appid": DEFAULT_SP_APPID,
            "name": "云帆收银服务商",
            "serial_no": keys.serial_text(keys.load_certificate(certificate.encode())),
            "certificate_pem": certificate,
            "api_v3_key": (self.folder / "api_v3_key").read_text(),
            "sub_merchants": [dict(sub) for sub in DEFAULT_SUB_MERCHANTS],
        }

    def describe(self, ring: KeyRing, base_url: str) -> dict[str, Any]:
        """Write simulator.json: where the simulator listens and under which numbers."""
        provider = self.provider()
        appids = [provider["sp_appid"], *(sub["sub_appid"] for sub in provider["sub_merchants"])]
        facts = {
            "base_url": base_url,
            "sp_mchid": provider["sp_mchid"],
            "sp_appid": provider["sp_appid"],
            "serial_no": provider["serial_no"],
            "wechatpay_public_key_id": ring.public_key.serial,
            "platform_serial_no": ring.certificate.serial,
            "sub_merchants": provider["sub_merchants"],
            # Any secret is taken until `POST /_simulator/merchants` sets one; these will do.
            "app_secrets": {appid: _app_secret(appid) for appid in appids},
        }
        text = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
        self._write("simulator.json", text.encode(), private=False, replace=True)
        return facts

    def _provider_files(self, authority: rsa.RSAPrivateKey) -> None:
        key_file = self.folder / "apiclient_key.pem"
        self._write("api_v3_key", keys.nonce(32).encode(), private=True)
        if not key_file.exists():
            self._write(key_file.name, keys.private_pem(keys.generate_key()), private=True)
        if not (self.folder / "apiclient_cert.pem").exists():
            certificate = keys.issue_certificate(
                subject=DEFAULT_SP_MCHID,
                organisation="云帆收银服务商",
                public_key=keys.load_private_key(key_file.read_bytes()).public_key(),
                issuer_key=authority,
                now=datetime.now(UTC),
            )
            pem = keys.certificate_pem(certificate)
            self._write("apiclient_cert.pem", pem, private=False)

    def _show_certificate(self, ring: KeyRing) -> None:
        pem = ring.told()["platform_certificate_pem"].encode()
        self._write("platform_cert.pem", pem, private=False, replace=True)

    def _folder_of(self, sp_mchid: str) -> Path:
        return self._private if sp_mchid == DEFAULT_SP_MCHID else self._private / sp_mchid

    def _public_key(self, folder: Path, sp_mchid: str) -> SigningKey:
        key = self._key(folder / "public_key_private_half.pem")
        id_file = folder / "public_key_id"
        if not id_file.exists():
            digits = "".join(str(secrets.randbelow(10)) for _ in range(14))
            self._put(id_file, f"PUB_KEY_ID_0{sp_mchid}{digits}000".encode(), 0o600)
        return SigningKey(id_file.read_text(), key)

    def _certificates(
        self, folder: Path, authority: rsa.RSAPrivateKey
    ) -> list[PlatformCertificate]:
        if not any(folder.glob("platform_*_cert.pem")):
            self._keep_certificate(folder, 1, keys.issue_platform_certificate(authority))
        found = []
        for cert_file in sorted(folder.glob("platform_*_cert.pem")):
            key_file = cert_file.with_name(cert_file.name.replace("_cert.pem", "_key.pem"))
            certificate = keys.load_certificate(cert_file.read_bytes())
            key = keys.load_private_key(key_file.read_bytes())
            signing_key = SigningKey(keys.serial_text(certificate), key)
            found.append(PlatformCertificate(certificate, signing_key))
        return found

    def _keep_certificate(self, folder: Path, number: int, made: PlatformCertificate) -> None:
        # The key goes first: a certificate on disk then always has its key.
        stem = f"platform_{number:03}"
        key_pem = keys.private_pem(made.signing_key.private_key)
        self._put(folder / f"{stem}_key.pem", key_pem, 0o600)
        cert_pem = keys.certificate_pem(made.certificate)
        self._put(folder / f"{stem}_cert.pem", cert_pem, 0o644)

    def _key(self, path: Path) -> rsa.RSAPrivateKey:
        if not path.exists():
            self._put(path, keys.private_pem(keys.generate_key()), 0o600)
        return keys.load_private_key(path.read_bytes())

    def _write(self, name: str, content: bytes, *, private: bool, replace: bool = False) -> None:
        path = self.folder / name
        if replace or not path.exists():
            self._put(path, content, 0o600 if private else 0o644)

    @staticmethod
    def _put(path: Path, content: bytes, mode: int) -> None:
        """Write whole or not at all, and never readable by others even for a moment."""
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        draft.chmod(mode)
        draft.replace(path)


def _app_secret(appid: str) -> str:
    return hashlib.sha256(f"app secret of {appid}".encode()).hexdigest()[:32]
