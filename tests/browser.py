"""A browser for the tests: found, or installed by whatever way this machine allows.

`python -m tests.browser` is what `make test` runs first. It changes nothing where a browser is
already there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright

from tests.servers import is_ci

NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-noto-cjk")  # without the font, Chinese is boxes
LAUNCH_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
MISSING = "No browser: install chromium, or name one in CHROMIUM, or run `make test` once online."


@cache
def find_browser() -> str | None:
    """The path of a Chromium that can be started here, or None."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return found or _playwrights_own()


def _playwrights_own() -> str | None:
    try:
        with sync_playwright() as playwright:
            path = playwright.chromium.executable_path
    except PlaywrightError:
        return None
    return path if Path(path).exists() else None


def _install() -> None:
    if Path("/etc/debian_version").exists() and os.geteuid() == 0:
        print("Installing a browser for the tests (apt-get, once) …", flush=True)  # noqa: T201
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (
            ["apt-get", "-qq", "update"],
            ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *PACKAGES],
        ):
            subprocess.run(
                arguments, env=environment, stdout=subprocess.DEVNULL, check=False, timeout=600
            )
        if any(shutil.which(name) for name in NAMES):
            return
    print("Downloading a browser for the tests (Playwright, once) …", flush=True)  # noqa: T201
    subprocess.run(
        [sys.executable, "-m", "playwright", "install", "chromium"], check=False, timeout=600
    )


def main() -> int:
    """Exit status 0 when the tests may run; a missing browser fails only where CI asks for it."""
    if find_browser() is None:
        _install()
        find_browser.cache_clear()
    if find_browser() is None:
        print(MISSING, file=sys.stderr)  # noqa: T201
        return 1 if is_ci() else 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
