"""Differences that are no news, by the rows of docs/differences.md that name them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from conformance.batch import Outcome
from conformance.case import Rule

# On purpose
STATUS_TOLD = "documented: %RESPONSE_CODE% in an answer of the proxy itself is its status"
NO_ROUTE = "documented: a request that is refused for its path has no route"
NO_LOOP = "documented: a direct response of 3xx has no location"
# Open: nothing here is right, it is only not news. Whoever repairs one deletes its lines here.
BARE_PATH = "open: %REQ()% in the response to a path that was rewritten without its slash"


def reason_of(outcome: Outcome) -> str:
    """What explains all differences of an outcome; "" when something does not."""
    engine, envoy = outcome.engine, outcome.envoy
    rules = [*outcome.case.http, *(outcome.case.other or [])]
    if engine.answer is None or envoy.answer is None:
        return ""
    is_bare = any(not message.path.startswith("/") for _, message in envoy.requests)
    if is_bare and _are_fields(outcome) and "%REQ" in json.dumps(rules):
        return BARE_PATH
    if any(name == "x-envoy-upstream-service-time" for name, _ in envoy.answer.fields):
        return ""
    reasons = {_reason_of_field(item, rules) for item in outcome.differences}
    if engine.requests or envoy.requests:
        return max(reasons) if reasons <= {STATUS_TOLD} else ""
    if engine.answer.status == envoy.answer.status == 400 and _are_fields(outcome):
        return NO_ROUTE
    return max(reasons) if "" not in reasons else ""


def _are_fields(outcome: Outcome) -> bool:
    return all(item.startswith("answer header ") for item in outcome.differences)


def _reason_of_field(difference: str, rules: list[Rule]) -> str:
    subject = difference.partition(":")[0]
    if not subject.startswith("answer header "):
        return ""
    name = subject.removeprefix("answer header ")
    values = "".join(_values(name, rules))
    if "%RESPONSE_CODE" in values:
        return STATUS_TOLD
    if name == "location" and any("directResponse" in rule for rule in rules):
        return NO_LOOP
    return ""


def _values(name: str, rules: list[Rule]) -> Iterator[str]:
    """Everything that a rule or a destination sets or adds to a response header."""
    for rule in rules:
        for holder in (rule, *rule.get("route", [])):
            response = holder.get("headers", {}).get("response", {})
            for key in ("set", "add"):
                for written, value in response.get(key, {}).items():
                    if written.lower() == name:
                        yield value
