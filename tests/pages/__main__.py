"""`make docs`: writes the pages that are made from the code, where they differ."""

from __future__ import annotations

from .generated import ROOT, pages

for name, text in pages().items():
    path = ROOT / name
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(name)
