"""Settings: one typed field per environment variable, and every fault reported at once.

Values come from the environment, else from `.env`. A process that finds neither joins what `make
run` set up under `var/`. Nothing here does I/O beyond reading those files.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import SplitResult, urlsplit

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from config.vault import Secret, VaultError, parse_master_keys

PROJECT_ROOT = Path(__file__).resolve().parent.parent
VAR = PROJECT_ROOT / "var"
RUN_ENVIRONMENT = VAR / "run.env"

MIN_SECRET_KEY_LENGTH = 32
MAX_TRUSTED_PROXIES = 8
_SUPPORTED_DRIVERS = ("sqlite", "postgresql+psycopg", "mysql+pymysql", "mariadb+pymysql")
_REDIS_SCHEMES = ("redis", "rediss", "unix")
_BROKER_SCHEMES = (*_REDIS_SCHEMES, "amqp", "amqps")
_OUR_PREFIXES = ("WECHATPAY_", "WEIXIN_", "WEBHOOK_", "MASTER_", "PUBLIC_BASE", "TRUSTED_")
_TEMPLATE_WORDS = ("change", "secret", "example", "default", "password", "your-")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(Exception):
    """The environment cannot start a process; `faults` names every variable that is wrong."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def is_loopback(host: str) -> bool:
    """Whether a host name can only mean this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _readable(text: str) -> SplitResult:
    """The parts of an address whose port, where it names one, is a port."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # read here, so that it is not misread where it is first used
    except ValueError as error:
        # Not the error's own words: they quote, and what they quote may be a password.
        raise ValueError("is not an address: check its host and its port") from error
    return parts


def _origin(text: str) -> str:
    parts = _readable(text.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an https origin such as https://pay.example.com")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https; http is accepted for loopback hosts only")
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be a bare origin: no path, query, fragment or user")
    return f"{parts.scheme}://{parts.netloc}"


def _networks(text: object) -> object:
    if not isinstance(text, str):
        return text
    networks = tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    for network in networks:
        # `0.0.0.0/0` would open every network of ours to whoever may name a webhook's address.
        if network.is_global:
            raise ValueError(f"{network} is not a network of your own: it holds public addresses")
    return networks


def _count(text: object) -> object:
    if isinstance(text, str) and not text.strip().isdecimal():
        raise ValueError(f"must be a whole number between 0 and {MAX_TRUSTED_PROXIES}")
    return int(text) if isinstance(text, str) else text


Origin = Annotated[str, BeforeValidator(_origin)]


class Settings(BaseModel):
    """What one process is told from outside."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    database_url: str = f"sqlite:///{VAR / 'platform.sqlite'}"
    master_keys: Mapping[str, bytes]
    secret_key: Secret
    public_base_url: Origin
    wechatpay_base_url: Origin = "https://api.mch.weixin.qq.com"
    wechatpay_fallback_base_url: Origin = "https://api2.mch.weixin.qq.com"
    weixin_open_base_url: Origin = "https://open.weixin.qq.com"
    weixin_api_base_url: Origin = "https://api.weixin.qq.com"
    redis_url: str | None = None
    broker_url: str | None = None
    trusted_proxies: Annotated[int, BeforeValidator(_count)] = 0
    webhook_allowed_networks: Annotated[tuple[Network, ...], BeforeValidator(_networks)] = ()
    metrics_folder: Path | None = None

    @field_validator("database_url")
    @classmethod
    def _database_is_supported(cls, text: str) -> str:
        try:
            url = make_url(text)
        except (ArgumentError, ValueError) as error:
            raise ValueError("is not an SQLAlchemy URL") from error
        if url.drivername not in _SUPPORTED_DRIVERS:
            raise ValueError(f"must use one of {', '.join(_SUPPORTED_DRIVERS)}")
        if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
            raise ValueError("must name a file; in memory each process would have its own data")
        return text

    @field_validator("master_keys", mode="before")
    @classmethod
    def _master_keys_open(cls, text: object) -> object:
        if not isinstance(text, str):
            return text
        try:
            return parse_master_keys(text)
        except VaultError as error:
            raise ValueError(f"{error}; make one with: openssl rand -base64 32") from error

    @field_validator("secret_key", mode="before")
    @classmethod
    def _secret_key_is_one(cls, value: object) -> object:
        text = value.reveal() if isinstance(value, Secret) else str(value)
        if len(text) < MIN_SECRET_KEY_LENGTH or len(set(text)) < MIN_SECRET_KEY_LENGTH // 4:
            raise ValueError(f"needs {MIN_SECRET_KEY_LENGTH} random characters or more")
        if any(text.lower().startswith(word) for word in _TEMPLATE_WORDS):
            raise ValueError("is a template's value; make one with: openssl rand -base64 48")
        return Secret(text)

    @field_validator("trusted_proxies")
    @classmethod
    def _few_proxies(cls, count: int) -> int:
        if not 0 <= count <= MAX_TRUSTED_PROXIES:
            raise ValueError(f"must be between 0 and {MAX_TRUSTED_PROXIES}")
        return count

    @field_validator("redis_url", "broker_url")
    @classmethod
    def _scheme_is_known(cls, text: str | None, field: ValidationInfo) -> str | None:
        schemes = _REDIS_SCHEMES if field.field_name == "redis_url" else _BROKER_SCHEMES
        if text and _readable(text).scheme not in schemes:
            raise ValueError(f"must begin with one of {', '.join(schemes)}")
        return text or None

    @field_validator("metrics_folder")
    @classmethod
    def _folder_is_absolute(cls, folder: Path | None) -> Path | None:
        if folder is not None and not folder.is_absolute():
            raise ValueError("must be an absolute path")
        return folder

    @property
    def counts_folder(self) -> Path:
        """Where the processes of this installation on this host count together."""
        if self.metrics_folder is not None:
            return self.metrics_folder
        database = make_url(self.database_url).set(password=None).render_as_string()
        return VAR / f"metrics-{hashlib.sha256(database.encode()).hexdigest()[:12]}"

    @property
    def public_host(self) -> str:
        """The host name of `public_base_url`."""
        return urlsplit(self.public_base_url).hostname or ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the variables. Raises SettingsError with a line for each fault."""
        return cls.from_values(_gathered(os.environ if environment is None else environment))

    @classmethod
    def from_values(cls, variables: Mapping[str, str]) -> Self:
        """Build from variable names and texts, as they would stand in the environment."""
        faults = [
            f"{name}: unknown setting; `.env.example` lists all"
            for name in sorted(variables)
            if name.lower() not in cls.model_fields and name.startswith(_OUR_PREFIXES)
        ]
        if variables.get("FLASK_DEBUG", "0").lower() not in ("", "0", "false", "no"):
            faults.append("FLASK_DEBUG: must be off; debug pages show secrets to whoever asks")
        known = {
            name.lower(): text
            for name, text in variables.items()
            if name.lower() in cls.model_fields and name.isupper() and text != ""
        }
        try:
            settings = cls(**known)
        except ValidationError as error:
            faults.extend(_fault(problem) for problem in error.errors(include_input=False))
        if faults:
            raise SettingsError(faults)
        return settings


def _fault(problem: Any) -> str:
    name = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
    message = "is missing" if problem["type"] == "missing" else problem["msg"]
    return f"{name}: {message.removeprefix('Value error, ')}"


def _gathered(environment: Mapping[str, str]) -> dict[str, str]:
    file = PROJECT_ROOT / ".env"
    if not file.exists() and not any(name.lower() in Settings.model_fields for name in environment):
        file = RUN_ENVIRONMENT
    written = {name: text for name, text in dotenv_values(file).items() if text is not None}
    return {**written, **environment}
