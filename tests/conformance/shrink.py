"""Smaller cases that still differ: all ways to leave out one thing are tried in one batch."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from conformance.batch import MakeSnapshot, Outcome, run_batch
from conformance.case import Ask, Case
from conformance.manifest import compiled_snapshot

ROUNDS = 25
# Leaving these out makes no valid rule, or another one that proves nothing.
_NEEDED = {
    *("route", "destination", "host", "weight", "redirect", "directResponse", "status"),
    *("exact", "prefix", "regex", "value", "fixedDelay", "httpStatus", "percentage", "rewrite/"),
    *("match/", "allowOrigins", "redirectCode", "string"),
}


def shrink(outcome: Outcome, make: MakeSnapshot) -> Outcome:
    """The smallest found whose first difference is of the same kind."""
    if make is compiled_snapshot:
        make = partial(compiled_snapshot, is_strict=False)
    kind = _kind(outcome)
    best = replace(outcome, case=outcome.case.only(outcome.ask))
    for _ in range(ROUNDS):
        candidates = [case for case in _smaller(best.case) if case.asks]
        if not candidates:
            break
        outcomes = run_batch(candidates, make)
        failing = [item for item in outcomes if kind in map(_what, item.differences)]
        if not failing:
            break
        best = min(failing, key=lambda item: len(str(item.case)))
    return best


def _kind(outcome: Outcome) -> str:
    return _what(outcome.differences[0])


def _what(difference: str) -> str:
    return difference.partition(":")[0]


def _smaller(case: Case) -> Iterator[Case]:
    ask = case.asks[0]
    if case.other is not None:
        yield replace(case, other=None)
    for host in case.hosts[1:]:
        yield replace(case, hosts=tuple(item for item in case.hosts if item != host))
    for index in range(len(case.http)):
        if len(case.http) > 1:
            yield replace(case, http=case.http[:index] + case.http[index + 1 :])
    for http in _without_one(case.http):
        yield replace(case, http=http)
    for smaller in _smaller_asks(ask):
        yield case.only(smaller)


def _smaller_asks(ask: Ask) -> Iterator[Ask]:
    for index in range(len(ask.fields)):
        yield replace(ask, fields=ask.fields[:index] + ask.fields[index + 1 :])
    if ask.body is not None:
        yield replace(ask, body=None, is_chunked=False)
    if ask.method != "GET":
        yield replace(ask, method="GET")
    if ask.target != "/":
        yield replace(ask, target=ask.target.partition("?")[0])
        yield replace(ask, target="/")
    if ask.answer.fields or ask.answer.status != 200:
        yield replace(ask, answer=replace(ask.answer, fields=(), status=200))


def _without_one(node: Any) -> Iterator[Any]:
    """Copies of rules, each without one element or key somewhere."""
    if isinstance(node, dict):
        for key in node:
            if key not in _NEEDED and f"{key}/" not in _needed_in(node):
                made = copy.copy(node)
                del made[key]
                yield made
            for smaller in _without_one(node[key]):
                yield {**node, key: smaller}
    elif isinstance(node, list):
        for index, item in enumerate(node):
            if len(node) > 1:
                yield node[:index] + node[index + 1 :]
            for smaller in _without_one(item):
                yield [*node[:index], smaller, *node[index + 1 :]]


def _needed_in(node: dict[str, Any]) -> set[str]:
    """Both halves of a regex rewrite are needed; elsewhere their names are free."""
    return _NEEDED if set(node) == {"match", "rewrite"} and "route" not in node else set()
