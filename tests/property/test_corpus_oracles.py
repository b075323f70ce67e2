"""The corpus through llhttp and h11: both take what ours takes; where ours is stricter, why."""

from __future__ import annotations

import pytest
from corpus.http1.cases import Case, load
from corpus.http1.feed import Feed
from property.oracles import ORACLES, Seen, with_h11

from meshproxy._fast import inspect

CASES = [
    case
    for case in load()
    if case.kind == "request" and case.limit == 61440 and len(case.data) < 9000
]
VALID = [case for case in CASES if not case.events[-1].startswith(("refused", "more"))]
REFUSED = [case for case in CASES if case.events[-1].startswith("refused")]

# Only one of the two takes these.
NOT_TAKEN = {
    "llhttp": ["Method with every token byte", "Method in lower case"],  # it has a list of methods
    "h11": [
        "One empty line before the request",  # RFC 9112 2.2 asks for it
        "Two empty lines before the request",
    ],
}

# Refused by ours alone, per file, and why.
STRICTER = {
    # Neither of them reads Host; a router must (RFC 9112 3.2: 400 for an invalid one).
    "host.md": None,
    # The proxy answers these itself, or could not say whom they are for.
    "target.md": None,
    "framing.md": [
        "Content-Length of 19 digits",  # kept below 2**63; nobody has so much to send
        "Content-Length of 2 to the 63",
        "Transfer-Encoding in HTTP 1.0",  # RFC 9112 6.1: faulty framing
    ],
    "request_line.md": ["Version 0.9", "Version 2.0"],  # 505
    "fields.md": ["One field too many"],
    "limits.md": ["Connection with 101 members"],
}


def read(data: bytes) -> dict[str, Seen]:
    """Give the readings of those that take the head."""
    readings = {name: oracle(data, "request") for name, oracle in ORACLES.items()}
    return {name: seen for name, seen in readings.items() if seen is not None and seen.has_head}


@pytest.mark.parametrize("case", VALID, ids=lambda case: case.name)
def test_what_ours_takes_llhttp_and_h11_take(case: Case) -> None:
    ours = inspect.parse_request(case.data)
    assert ours is not None
    heading = case.name.partition(": ")[2]
    feed = Feed("request")
    feed.push(case.data)
    taken = read(case.data.removesuffix(feed.held))  # without the next request
    assert set(ORACLES) - set(taken) == {name for name in NOT_TAKEN if heading in NOT_TAKEN[name]}
    # h11 keeps no HTTP/1.0 connection; llhttp keeps one that names both close and keep-alive.
    for name, seen in taken.items():
        assert seen.method == ours["method"], name
        assert seen.is_complete, name
        assert len(seen.headers) == len(ours["headers"]), name
        if not ours["is_absolute"]:
            assert seen.target == ours["target"], name
        if heading != "Close in HTTP 1.0" and (name == "llhttp" or ours["version"] == "1.1"):
            assert seen.keep_alive == ours["keep_alive"], name


RESPONSES = [case for case in load() if case.kind == "response" and len(case.data) < 9000]
# Refused by ours alone, and why.
RESPONSES_STRICTER = [
    "Length that is too large",  # kept below 2**63
    "Chunked in HTTP 1.0",  # RFC 9112 6.1: faulty framing
    "HTTP 2.0",  # neither 1.0 nor 1.1
    "HTTP 0.9",
    "Reason with DEL",  # RFC 9112 4: HTAB, SP, VCHAR, obs-text
    "Too many fields",
]


@pytest.mark.parametrize("case", RESPONSES, ids=lambda case: case.name)
def test_response_that_ours_takes_or_refuses_is_judged_alike(case: Case) -> None:
    oracles = {"llhttp": ORACLES["llhttp"](case.data, "response")}
    oracles["h11"] = with_h11(case.data, "response", case.method)
    taken = {name: seen for name, seen in oracles.items() if seen is not None and seen.has_head}
    heading = case.name.partition(": ")[2]
    if case.events[-1].startswith("refused"):
        assert len(taken) < 2 or heading in RESPONSES_STRICTER, "both take it: list why"
    elif not case.events[-1].startswith("more"):
        assert taken, "neither of the others takes it"


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_what_ours_alone_refuses_is_listed(case: Case) -> None:
    file, _, heading = case.name.partition(": ")
    taken = read(case.data)
    if len(taken) == len(ORACLES):
        listed = STRICTER.get(file, [])
        assert listed is None or heading in listed, (
            "both others take it: fix the case, or list why"
        )
