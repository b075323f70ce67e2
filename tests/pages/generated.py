"""The generated pages of docs/, by their path from the root of the repository."""

from __future__ import annotations

import functools
from pathlib import Path

from . import code_page, reference_page

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def pages() -> dict[str, str]:
    """Give every generated page."""
    return {"docs/codes.md": code_page.page(), **reference_page.pages()}
