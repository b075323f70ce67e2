"""What THREAT_MODEL.md names exists, and every promise names what shows it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINES = (ROOT / "THREAT_MODEL.md").read_text(encoding="utf-8").splitlines()
NAMED = re.compile(r"\btests/[\w/.]+\w")


def test_every_test_that_is_named_exists() -> None:
    named = {path for line in LINES for path in NAMED.findall(line)}
    assert len(named) > 20
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_promise_names_a_test() -> None:
    rows = [line for line in LINES if line.startswith("| ") and "shown by" not in line]
    assert len(rows) > 20
    assert [row for row in rows if not NAMED.search(row.rpartition(" | ")[2])] == []
