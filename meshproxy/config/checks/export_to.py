"""Rules of exportTo, alike in all Istio kinds that have it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..places import Path
from ..problem import Finding, quote

PATH: Path = ("spec", "exportTo")
NOBODY = "~"
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def check_export_to(
    names: Sequence[str], own: str | None, can_be_nobody: bool = False
) -> Iterator[Finding]:
    """Judge the namespaces that an object of namespace `own` is exported to."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        path: Path = (*PATH, index)
        meant = own if name == "." and own else name
        is_known = name in ("*", ".") or (name == NOBODY and can_be_nobody)
        if not is_known and not _NAMESPACE.fullmatch(name):
            yield Finding("MP104", path, f'expected ".", "*" or a namespace, found {quote(name)}')
        elif meant in seen:
            yield Finding(
                "MP311", path, f"expected each namespace once, found {quote(name)} again"
            )
        elif name in ("*", NOBODY) and len(names) > 1:
            message = f"expected {quote(name)} alone, found other namespaces beside it"
            yield Finding("MP111", path, message)
        seen.add(meant)
