"""What `make run` keeps under `var/` and tells its commands: ports, addresses, keys.

Keys are made once. Everything here is readable by its owner only, and nothing is taken from the
surroundings that could lead the demo into somebody's real database.
"""

from __future__ import annotations

import base64
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var"
RUN_ENVIRONMENT = VAR / "run.env"

HOST = "127.0.0.1"
_NOT_OURS_TO_INHERIT = ("REDIS_URL", "BROKER_URL", "TRUSTED_PROXIES", "METRICS_FOLDER")


class CannotRun(Exception):
    """Why nothing was started, or everything was stopped, in words for a person."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the web application and the simulator listen."""

    web: int
    simulator: int

    @property
    def web_url(self) -> str:
        return f"http://{HOST}:{self.web}"

    @property
    def simulator_url(self) -> str:
        return f"http://{HOST}:{self.simulator}"

    @classmethod
    def from_environment(cls) -> Places:
        """PORT and SIMULATOR_PORT, or their defaults. Raises CannotRun for what is no port."""
        places = cls(_port("PORT", 8000), _port("SIMULATOR_PORT", 8001))
        if places.web == places.simulator:
            raise CannotRun(f"PORT and SIMULATOR_PORT are both {places.web}; they must differ.")
        return places

    def require_free(self) -> None:
        """Raise CannotRun when somebody else listens there."""
        for name, port in (("PORT", self.web), ("SIMULATOR_PORT", self.simulator)):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError as error:
                    raise CannotRun(
                        f"Port {port} cannot be used ({error.strerror}). Choose another: "
                        f"make run {name}={port + 10}"
                    ) from error


def _port(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise CannotRun(f"{name}={text} is not a port number.")
    return int(text)


def write_private(path: Path, text: str) -> None:
    """Write a file whole, for its owner's eyes only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def prepare(places: Places) -> dict[str, str]:
    """Write `var/run.env`: keys are made once and kept, addresses follow the ports."""
    kept = dotenv_values(RUN_ENVIRONMENT) if RUN_ENVIRONMENT.exists() else {}
    master_key = base64.b64encode(secrets.token_bytes(32)).decode()
    variables = {
        "DATABASE_URL": f"sqlite:///{VAR / 'platform.sqlite'}",
        "MASTER_KEYS": kept.get("MASTER_KEYS") or f"run:{master_key}",
        "SECRET_KEY": kept.get("SECRET_KEY") or secrets.token_urlsafe(48),
        "PUBLIC_BASE_URL": places.web_url,
        "WECHATPAY_BASE_URL": places.simulator_url,
        "WECHATPAY_FALLBACK_BASE_URL": places.simulator_url,
        "WEIXIN_OPEN_BASE_URL": places.simulator_url,
        "WEIXIN_API_BASE_URL": places.simulator_url,
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
    }
    lines = [f"{name}={text}" for name, text in variables.items()]
    write_private(RUN_ENVIRONMENT, "\n".join(["# Made by `make run`.", *lines, ""]))
    return variables


def child_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """What every command is told. Nobody's production database is taken from the surroundings."""
    blank = dict.fromkeys(_NOT_OURS_TO_INHERIT, "")
    return {**os.environ, **blank, **variables, "PYTHONUNBUFFERED": "1"}
