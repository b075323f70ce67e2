"""Rules for header operations of a route or a destination."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .. import template
from ..host import authority_reason
from ..http_action import HeaderOperations, Headers
from ..places import Path
from ..problem import Finding, quote

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
# Where a message ends, and what concerns one hop, is said by each hop itself (RFC 9110 7.6.1).
_FRAMING = frozenset(
    {
        "connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def is_authority(name: str) -> bool:
    """Istio turns set and add of these into a rewrite of the authority."""
    return name.lower() in ("host", ":authority")


def check(headers: Headers, path: Path) -> Iterator[Finding]:
    """Give what is wrong or doubtful, in the order of the fields."""
    yield from _operations(headers.request, (*path, "request"), True)
    yield from _operations(headers.response, (*path, "response"), False)


def authority_count(headers: Headers | None) -> int:
    """Count the operations that set the authority."""
    if headers is None:
        return 0
    names = [*headers.request.set, *headers.request.add]
    return sum(is_authority(name) for name in names)


def _operations(operations: HeaderOperations, path: Path, is_request: bool) -> Iterator[Finding]:
    for verb, values in (("set", operations.set), ("add", operations.add)):
        for name, value in values.items():
            where = (*path, verb, name)
            if is_authority(name) and is_request:
                if "%" in value:
                    yield Finding("MP104", where, "expected a literal host, found a variable")
                elif value and (reason := authority_reason(value)) is not None:
                    yield Finding("MP104", where, reason)
            else:
                yield from _name(name, where)
            yield from _value(value, where)
    for index, name in enumerate(operations.remove):
        yield from _name(name, (*path, "remove", index))


def _name(name: str, path: Path) -> Iterator[Finding]:
    if name.startswith(":") or name.lower() == "host":
        found = quote(name)
        message = f"expected a header that can be changed, found {found}"
        yield Finding("MP104", path, f"{message}: the host is set under request.set")
    elif not _TOKEN.fullmatch(name):
        yield Finding("MP104", path, f"expected a header name, found {quote(name)}")
    elif name.lower() in _FRAMING:
        yield Finding("MP315", path, f"has no effect: the proxy says {name.lower()} by itself")


def _value(value: str, path: Path) -> Iterator[Finding]:
    if _CONTROL.search(value):
        yield Finding("MP104", path, "expected one line of text, found a control character")
        return
    if not value:
        yield Finding("MP315", path, "has no effect: an empty value leaves the header as it is")
        return
    try:
        template.parse(value)
    except template.UnbalancedError:
        message = f"expected %% for a percent sign, found {quote(value)}"
        yield Finding("MP104", path, message)
    except template.UnknownVariableError as error:
        known = sorted({*template.WITH_ARGUMENT, *template.WITHOUT_ARGUMENT})
        message = (
            f"the variable {quote(error.variable)} is not honoured, so the header is left out"
        )
        yield Finding("MP117", path, f"{message}; known are {', '.join(known)}")
