"""Every case of the corpus: whole, byte by byte, split at every position, with bytes behind."""

from __future__ import annotations

import itertools

import pytest
from corpus.http1.cases import Case, load
from corpus.http1.feed import events_of

CASES = list(load())
TRAILING = b"GET /next HTTP/1.1\r\nHost: next\r\n\r\n"
LONG = 600  # a longer case is split at its ends, its lines and every 997th byte


def positions(data: bytes) -> list[int]:
    if len(data) <= LONG:
        return list(range(len(data) + 1))
    lines = {at + step for at in range(len(data)) if data[at] == 10 for step in (-1, 0, 1)}
    ends = {*range(40), *range(len(data) - 40, len(data) + 1)}
    return sorted(lines | ends | set(range(0, len(data), 997)))


def run(case: Case, *pieces: bytes) -> tuple[str, ...]:
    return events_of(pieces, case.kind, case.method, case.limit)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_corpus_whole_gives_its_events(case: Case) -> None:
    assert run(case, case.data) == case.events


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_corpus_split_anywhere_gives_the_same_events(case: Case) -> None:
    at = positions(case.data)
    for cut in at:
        assert run(case, case.data[:cut], case.data[cut:]) == case.events, cut
    edges = sorted({0, *at, len(case.data)})
    pieces = [case.data[a:b] for a, b in itertools.pairwise(edges)]
    assert run(case, *pieces) == case.events


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_corpus_trailing_bytes_stay_behind(case: Case) -> None:
    whole = list(case.events)
    if whole[-1] == "more":
        return
    if whole[-1].startswith("rest "):
        whole.pop()
    got = [line for line in run(case, case.data + TRAILING) if not line.startswith("rest ")]
    assert got == whole


def test_corpus_is_as_large_as_it_says() -> None:
    refused = [c for c in CASES if c.kind == "request" and c.events[-1].startswith("refused")]
    valid = [c for c in CASES if c.kind == "request" and c.events[-1].startswith("end")]
    assert len(refused) >= 120
    assert len(valid) >= 60
    assert len({c.name for c in CASES}) == len(CASES)
