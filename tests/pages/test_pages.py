"""The generated pages are what the code says now, and leave nothing out."""

from __future__ import annotations

import pytest
from pages.generated import ROOT, pages


@pytest.mark.parametrize("name", pages())
def test_page_is_what_make_docs_writes(name: str) -> None:
    found = (ROOT / name).read_text(encoding="utf-8")
    assert found == pages()[name], f"{name} is stale: run `make docs`"
