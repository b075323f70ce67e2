"""Differences that are known and still open: nothing here is right, it is only not news."""

from __future__ import annotations

import json

from conformance.batch import Outcome

FAULT_LATE = "a fault acts after CORS and after the cluster was looked up, in Envoy before both"
REQUEST_UNSEEN = "%REQ()% in an answer of the proxy itself sees another request than in Envoy"
LOCATION_UNSEEN = "header operations do not see the location of a redirect"
PEER_ONLY = "the client's address is the peer's, in Envoy the last of x-forwarded-for"


def reason_of(outcome: Outcome) -> str:
    """The open point that explains an outcome; "" when none does."""
    engine, envoy = outcome.engine, outcome.envoy
    rules = [*outcome.case.http, *(outcome.case.other or [])]
    if "DOWNSTREAM_REMOTE" in json.dumps(rules) and "x-forwarded-for" in dict(outcome.ask.fields):
        return PEER_ONLY
    if engine.requests or envoy.requests or engine.answer is None or envoy.answer is None:
        return ""
    has_fault = any("fault" in rule for rule in rules)
    only_fields = all(item.startswith("answer header ") for item in outcome.differences)
    if only_fields and "%REQ" in json.dumps(rules):
        return REQUEST_UNSEEN
    if only_fields and any("location" in item for item in outcome.differences):
        return LOCATION_UNSEEN
    return FAULT_LATE if has_fault else ""
