"""Runs of many batches, counted; and how a difference is told to a person."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import yaml
from conformance.asks import cases
from conformance.batch import MakeSnapshot, Outcome, run_batch
from conformance.case import Ask, Case
from conformance.known import reason_of
from conformance.lower import snapshot_of
from conformance.manifest import compiled_snapshot
from conformance.pair import Seen
from hypothesis import HealthCheck, Phase, given, seed, settings

CASES_PER_BATCH = 100
ASKS_PER_CASE = 10
AGAIN = 2  # times that a difference is asked again alone: what a busy machine delayed is gone then


# "yaml": compiled as `meshproxy run` does it; "snapshot": lowered by the tests' own short way.
LEVELS: dict[str, MakeSnapshot] = {"yaml": compiled_snapshot, "snapshot": snapshot_of}


@dataclass
class Tally:
    """What came of a run."""

    make: MakeSnapshot
    pairs: int = 0
    cases: int = 0
    reached: int = 0  # pairs that an upstream saw
    statuses: Counter[int] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    news: list[Outcome] = field(default_factory=list)

    def add(self, outcomes: list[Outcome]) -> None:
        news: list[Outcome] = []
        for outcome in outcomes:
            self.pairs += 1
            self.reached += bool(outcome.envoy.requests)
            if outcome.envoy.answer is not None:
                self.statuses[outcome.envoy.answer.status] += 1
            if outcome.differences:
                reason = reason_of(outcome)
                if reason:
                    self.known[reason] += 1
                else:
                    news.append(outcome)
        for _ in range(AGAIN):
            if news:
                again = run_batch([item.case.only(item.ask) for item in news], self.make)
                news = [item for item in again if item.differences and not reason_of(item)]
        self.news += news

    def summary(self) -> str:
        agreed = self.pairs - len(self.news) - sum(self.known.values())
        lines = [
            f"{self.pairs} pairs of {self.cases} rule sets: {agreed} agree,"
            f" {sum(self.known.values())} differ as known, {len(self.news)} are news",
            f"  {self.reached} reached an upstream; statuses "
            + ", ".join(f"{status}: {n}" for status, n in sorted(self.statuses.items())),
        ]
        lines += [f"  {n} {reason}" for reason, n in self.known.most_common()]
        return "\n".join(lines)


def run(pairs: int, level: str = "yaml", first_seed: int = 0) -> Iterator[Tally]:
    """The tally after each batch, until `pairs` are compared."""
    tally = Tally(make=LEVELS[level])
    while tally.pairs < pairs:
        made = generate(first_seed + tally.cases)
        if level == "yaml":
            made = [replace(case, other=None) for case in made]  # YAML gives one port
        tally.cases += len(made)
        tally.add(run_batch(made, tally.make))
        yield tally


def generate(number: int) -> list[Case]:
    """The cases of one batch: the same for the same number."""
    made: list[Case] = []

    @seed(number)
    @settings(
        max_examples=CASES_PER_BATCH,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(cases(ASKS_PER_CASE))
    def collect(case: Case) -> None:
        made.append(case)

    collect()
    return made


def describe(outcome: Outcome) -> str:
    """The rule, the request and both answers."""
    rules: dict[str, object] = {"hosts": list(outcome.case.hosts), "http": outcome.case.http}
    if outcome.case.other is not None:
        rules["http of port 81"] = outcome.case.other
    text = yaml.safe_dump(json.loads(json.dumps(rules)), sort_keys=False, allow_unicode=True)
    lines = [*(f"  {line}" for line in outcome.differences), "rules:"]
    lines += [f"  {line}" for line in text.splitlines()]
    lines += ["request:", *_request(outcome.ask)]
    for name, seen in (("meshproxy", outcome.engine), ("envoy", outcome.envoy)):
        lines += [f"{name}:", *_seen(seen)]
    return "\n".join(["differs (meshproxy != envoy):", *lines])


def _request(ask: Ask) -> list[str]:
    lines = ask.head("case").decode().split("\r\n")[:-2]
    body = "" if ask.body is None else f"({len(ask.body)} bytes of body)"
    return [f"  {line}" for line in [*lines, body, f"upstream: {ask.answer}"[:300]] if line]


def _seen(seen: Seen) -> list[str]:
    lines = []
    for name, message in seen.requests:
        lines.append(f"to {name}: {message.start}")
        lines += [f"    {key}: {value}" for key, value in message.fields]
    if seen.answer is None:
        return [f"  {line}" for line in [*lines, "no answer"]]
    lines.append(f"answer: {seen.answer.start} {seen.answer.body[:60]!r}")
    lines += [f"    {key}: {value}" for key, value in seen.answer.fields]
    return [f"  {line}" for line in lines]
