"""What `make run` starts and stops together: the simulator, the web application, the scheduler.

This room knows commands, not floors: it starts them in order, passes on what they print, and ends
all of them when one ends or somebody presses Ctrl-C. Production starts the same commands by other
means.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import pyotp

from config.run_environment import (
    HOST,
    ROOT,
    VAR,
    CannotRun,
    Places,
    child_environment,
    prepare,
    write_private,
)

DEMO = VAR / "demo.json"
SIMULATOR_HOME = VAR / "simulator"
LOADING = VAR / "demo.loading"  # stands while the demo loads; found at a start, it was cut short
LOCK = VAR / "run.lock"

PASSWORDS = ("operator", "sub_merchants")  # of the demo; known from its first load alone
THINGS_TO_TRY = ("checkout_url", "checkout_link_id", "paid_order_id")  # said with every load

WEB_THREADS = 8
START_SECONDS = 60
STOP_SECONDS = 15
POLL_SECONDS = 0.2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(text: str = "") -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@dataclass
class Child:
    """One command that runs until it is told to end."""

    name: str
    process: subprocess.Popen[str]
    voice: threading.Thread

    @classmethod
    def start(cls, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        # In a group of its own, Ctrl-C reaches this room alone, and the order of ending is ours.
        process = subprocess.Popen(  # noqa: S603 - fixed commands of ours
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        voice = threading.Thread(target=_pass_on, args=(name, process), daemon=True)
        voice.start()
        return cls(name, process, voice)

    def stop(self, deadline: float) -> None:
        """Ask it to end, then insist."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.1, deadline - time.monotonic()))
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.voice.join(timeout=1)


def _pass_on(name: str, process: subprocess.Popen[str]) -> None:
    with process.stdout or nullcontext(()) as lines:
        for line in lines:
            say(f"{name:<9} | {line.rstrip()}")


class Stopped(Exception):
    """Somebody asked for the end; not a fault."""


@dataclass
class Household:
    """Everything that runs together."""

    environment: Mapping[str, str]
    children: list[Child] = field(default_factory=list)

    def start(self, name: str, *command: str) -> None:
        self.children.append(Child.start(name, command, self.environment))

    def require_all_alive(self) -> None:
        """Raise CannotRun naming the command that ended."""
        for child in self.children:
            status = child.process.poll()
            if status is not None:
                child.voice.join(timeout=1)
                raise CannotRun(f"The {child.name} ended (status {status}); the rest is stopped.")

    def wait_for(self, url: str, what: str) -> None:
        """Return as soon as `url` answers 200."""
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url):
            self.require_all_alive()
            if time.monotonic() > deadline:
                raise CannotRun(f"The {what} does not answer at {url} after {START_SECONDS} s.")
            time.sleep(POLL_SECONDS)

    def run(self, *command: str) -> str:
        """Run a command to its end and answer what it printed; progress goes to the terminal."""
        done = subprocess.run(  # noqa: S603 - fixed commands of ours
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CannotRun(f"`{' '.join(command)}` failed (status {done.returncode}).")
        return done.stdout

    def stay(self) -> None:
        """Wait until one of them ends."""
        while True:
            self.require_all_alive()
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End all, those who ask before those who answer."""
        deadline = time.monotonic() + STOP_SECONDS
        for child in reversed(self.children):
            if child.process.poll() is None:
                child.process.terminate()
        for child in reversed(self.children):
            child.stop(deadline)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def load_demo(household: Household, places: Places) -> dict[str, Any]:
    """Let the demo load itself, once, and answer what `var/demo.json` says afterwards."""
    write_private(LOADING, "")
    command = ("demo", "load", "--json", "--simulator-home", str(SIMULATOR_HOME))
    printed = household.run("flask", "--app", "wsgi", *command)
    LOADING.unlink()
    report = json.loads(printed)
    if report["loaded"]:
        facts = {key: report[key] for key in PASSWORDS}
    elif DEMO.exists():
        facts = json.loads(DEMO.read_text())
    else:
        raise CannotRun("The demo's passwords are lost with var/demo.json: run `make reset`.")
    demo = {
        "base_url": places.web_url,
        "simulator_url": places.simulator_url,
        **{key: facts[key] for key in PASSWORDS},
        **{key: report[key] for key in THINGS_TO_TRY},
    }
    write_private(DEMO, json.dumps(demo, ensure_ascii=False, indent=2) + "\n")
    return demo


def welcome(demo: Mapping[str, Any]) -> str:
    """Where to go, as whom, and a line to paste."""
    operator, tenant = demo["operator"], demo["sub_merchants"][0]
    place = (
        '{"merchant_order_no":"TRY-\'$(date +%s)\'","description":"Latte","amount_fen":1800,'
        '"payer":{"sub_openid":"oTryPayer000000000000001"}}'
    )
    give_back = (
        f'{{"order_id":"{demo["paid_order_id"]}","merchant_refund_no":"BACK-\'$(date +%s)\'",'
        '"amount_fen":100,"reason":"Cold"}'
    )
    rule = "─" * 78
    return f"""
{rule}
  The platform is running. Ctrl-C stops it; the data stays until `make reset`.

  Operator console     {demo["base_url"]}/admin/
                       {operator["email"]}   {operator["password"]}
                       second factor {operator["totp_secret"]}   now {_code(operator)}
  Sub-merchant pages   {demo["base_url"]}/dashboard/
                       {tenant["staff"]["email"]}   {tenant["staff"]["password"]}
  A payer's page       {demo["checkout_url"]}
                       as a QR code {demo["base_url"]}/dashboard/checkout/{demo["checkout_link_id"]}
  API reference        {demo["base_url"]}/api/docs
  WeChat Pay           {demo["simulator_url"]}/   (simulator: pay an order at its cashier there)

  {tenant["name"]} ({tenant["sub_mchid"]}), API key
  {tenant["api_key"]}

  Place an order, or give money back of one that is paid:

{_call(demo, "orders", place)}

{_call(demo, "refunds", give_back)}

  Everything scripts need is in var/demo.json.
{rule}
"""


def _call(demo: Mapping[str, Any], what: str, body: str) -> str:
    return f"""curl -sS {demo["base_url"]}/api/v1/{what} \\
  -H 'Authorization: Bearer {demo["sub_merchants"][0]["api_key"]}' \\
  -H 'Content-Type: application/json' \\
  -d '{body}'"""


def _code(operator: Mapping[str, str]) -> str:
    return pyotp.TOTP(operator["totp_secret"]).now()


@contextmanager
def alone() -> Iterator[None]:
    """Hold `var/` for this process. Raises CannotRun when another run holds it."""
    VAR.mkdir(mode=0o700, parents=True, exist_ok=True)
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CannotRun("`make run` is already running here. Stop it first.") from error
        yield


def forget() -> None:
    """Drop data, keys and the demo; the lock stays while it is held."""
    for entry in VAR.iterdir():
        if entry == LOCK:
            continue
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def run(places: Places) -> None:
    """Bring everything up and stay until the end."""
    if LOADING.exists():
        say("The last run was stopped while it loaded the demo; beginning anew.")
        forget()
    places.require_free()
    household = Household(child_environment(prepare(places)))
    try:
        _bring_up(household, places)
        household.stay()
    finally:
        say("Stopping …")
        household.stop()


def _bring_up(household: Household, places: Places) -> None:
    say("Starting the simulator of WeChat Pay …")
    listen = ("--home", str(SIMULATOR_HOME), "--port", str(places.simulator))
    household.start("simulator", "partner.simulator", *listen)
    household.wait_for(f"{places.simulator_url}/_simulator/clock", "simulator")
    say("Bringing the database up to date …")
    household.run("flask", "--app", "wsgi", "db", "upgrade")
    demo = load_demo(household, places)
    # One process: SQLite has one writer, and the limits are counted in memory.
    serve = ("-w", "1", "--threads", str(WEB_THREADS), "--no-control-socket")
    bind = ("-b", f"{HOST}:{places.web}", "--log-level", "warning")
    household.start("web", "gunicorn", *serve, *bind, "wsgi:app")
    household.start("scheduler", "flask", "--app", "wsgi", "scheduler")
    household.wait_for(f"{places.web_url}/readyz", "web application")
    say(welcome(demo))


def _stop_on_signal(_number: int, _frame: FrameType | None) -> None:
    for number in STOP_SIGNALS:  # once is enough: impatience must not leave half of them running
        signal.signal(number, signal.SIG_IGN)
    raise Stopped


def main() -> int:
    """Exit status 0 after Ctrl-C, 1 when something could not run or died."""
    parser = argparse.ArgumentParser(prog="python -m config.processes", description=run.__doc__)
    parser.add_argument("--prepare", action="store_true", help="only write var/run.env")
    parser.add_argument("--forget", action="store_true", help="drop everything under var/")
    options = parser.parse_args()
    for number in STOP_SIGNALS:
        signal.signal(number, _stop_on_signal)
    try:
        if options.prepare:
            prepare(Places.from_environment())
            return 0
        with alone():
            if options.forget:
                forget()
            else:
                run(Places.from_environment())
    except Stopped:
        return 0
    except CannotRun as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
