"""A link's address as a QR code: what a payer who is not in WeChat scans with it."""

from __future__ import annotations

import io

import segno

QUIET_MODULES = 4  # the white border that scanners need
SVG_SCALE = 8
PNG_SCALE = 12


def qr_svg(text: str) -> bytes:
    """Vectors, for pages."""
    return _drawn(text, "svg", scale=SVG_SCALE, xmldecl=False, title=None)


def qr_png(text: str) -> bytes:
    """Pixels, for print and for whoever cannot show vectors."""
    return _drawn(text, "png", scale=PNG_SCALE)


def _drawn(text: str, kind: str, **options: object) -> bytes:
    target = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        target, kind=kind, border=QUIET_MODULES, light="#fff", **options
    )
    return target.getvalue()
