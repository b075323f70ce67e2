"""Header values with %...% variables, as Envoy's command operators write them."""

from __future__ import annotations

import re
from collections.abc import Sequence

Variable = tuple[str, str, str, int]
"""(command, argument, alternative, max length or -1)."""

_OPERATOR = re.compile(r"%([A-Z0-9_]+)(?:\(([^()]*)\))?(?::([0-9]{1,6}))?%")
_ARGUMENT = re.compile(r"([^?]+)(?:\?([^?]+))?")
WITH_ARGUMENT = frozenset({"REQ", "RESP"})
WITHOUT_ARGUMENT = frozenset(
    {
        "PROTOCOL", "RESPONSE_CODE", "START_TIME", "ROUTE_NAME", "UPSTREAM_CLUSTER",
        "UPSTREAM_HOST", "DOWNSTREAM_REMOTE_ADDRESS", "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    }
)  # fmt: skip


class UnbalancedError(ValueError):
    """A `%` that starts nothing: Istio refuses the object."""


class UnknownVariableError(ValueError):
    """A variable that is not honoured; `variable` is as written."""

    def __init__(self, variable: str) -> None:
        super().__init__(variable)
        self.variable = variable


def parse(text: str) -> list[str | Variable]:
    """Cut a value into literals and variables. Raises UnbalancedError, UnknownVariableError."""
    parts: list[str | Variable] = []
    literal, at = "", 0
    while (percent := text.find("%", at)) >= 0:
        literal += text[at:percent]
        if text.startswith("%%", percent):
            literal += "%"
            at = percent + 2
            continue
        found = _OPERATOR.match(text, percent)
        if found is None:
            raise _unreadable(text, percent)
        if literal:
            parts.append(literal)
            literal = ""
        parts.append(_variable(found))
        at = found.end()
    literal += text[at:]
    if literal or not parts:
        parts.append(literal)
    return parts


def _unreadable(text: str, percent: int) -> ValueError:
    """`%NAME(...)%` with an argument of its own syntax is unknown, not unbalanced."""
    loose = re.compile(r"%[A-Z0-9_]+(?:\([^)]*\))?(?::[^%]*)?%").match(text, percent)
    if loose is not None:
        return UnknownVariableError(loose.group())
    return UnbalancedError(text)


def _variable(found: re.Match[str]) -> Variable:
    command, argument, length = found.groups()
    limit = int(length) if length is not None else -1
    if command in WITHOUT_ARGUMENT and argument is None:
        return (command, "", "", limit)
    names = _ARGUMENT.fullmatch(argument or "")
    if command in WITH_ARGUMENT and names is not None:
        return (command, names[1].lower(), (names[2] or "").lower(), limit)
    raise UnknownVariableError(found.group())


def honoured(text: str) -> Sequence[str | Variable] | None:
    """Give the parts, or None when the value cannot be made here."""
    try:
        return parse(text)
    except ValueError:
        return None
