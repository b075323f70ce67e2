"""The generated pages of docs/, by their path from the root of the repository."""

from __future__ import annotations

from pathlib import Path

from . import code_page

ROOT = Path(__file__).resolve().parents[2]


def pages() -> dict[str, str]:
    """Give every generated page."""
    return {"docs/codes.md": code_page.page()}
