"""When a DNS name is asked about again, and what is kept meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from meshproxy.discovery.resolution import Resolution
from meshproxy.lookup import names
from meshproxy.lookup.names import Answer, LookupFailed, NameRecord, NameWatch, NoSuchName

ONE = ("10.0.0.1",)


@pytest.mark.parametrize(
    ("ttl_s", "wait_s"), [(0, 1), (0.5, 1), (1, 1), (60, 60), (300, 300), (86_400, 300)]
)
def test_answer_is_good_for_its_ttl_within_bounds(ttl_s, wait_s):
    assert NameRecord().on_answer(Answer(ONE, ttl_s)) == (Resolution(ONE), wait_s)


def test_failures_keep_the_last_answer_and_back_off_to_a_bound():
    record = NameRecord()
    record.on_answer(Answer(ONE, 5))
    error = LookupFailed("no server answered")
    outcomes = [record.on_error(error, now) for now in range(0, 10_000, 1000)]
    assert {resolution for resolution, _ in outcomes} == {Resolution(ONE, "no server answered")}
    assert [wait_s for _, wait_s in outcomes] == [1, 2, 4, 8, 16, 30, 30, 30, 30, 30]
    assert record.on_answer(Answer(("10.0.0.2",), 5)) == (Resolution(("10.0.0.2",)), 5)
    assert record.on_error(error, 0)[1] == 1


def test_half_an_answer_keeps_the_last_one_of_the_other_half():
    record = NameRecord()
    assert record.on_answer(Answer(("10.0.0.1",), 5, "AAAA"))[0] == Resolution(("10.0.0.1",))
    record.on_answer(Answer(("10.0.0.1", "fd00::1"), 5))
    both = ("10.0.0.2", "fd00::1")
    assert record.on_answer(Answer(("10.0.0.2",), 5, "AAAA"))[0] == Resolution(both)
    both = ("fd00::2", "10.0.0.2")
    assert record.on_answer(Answer(("fd00::2",), 5, "A"))[0] == Resolution(both)
    assert record.on_answer(Answer(("10.0.0.3",), 5))[0] == Resolution(("10.0.0.3",))


def test_name_that_is_gone_keeps_its_addresses_only_for_a_while():
    record, gone = NameRecord(), NoSuchName("there is no such name")
    record.on_answer(Answer(ONE, 5))
    assert record.on_error(gone, 100)[0].addresses == ONE
    assert record.on_error(LookupFailed("timeout"), 100 + names.HOLD_S + 1)[0].addresses == ONE
    assert record.on_error(gone, 100 + names.HOLD_S + 2)[0] == Resolution((), str(gone))
    record.on_answer(Answer(ONE, 5))
    assert record.on_error(gone, 1000)[0].addresses == ONE


class Lookups:
    """Answers by hand: each lookup waits until the test says what it finds."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[str, asyncio.Future[Answer]]] = asyncio.Queue()

    async def __call__(self, name: str) -> Answer:
        future = asyncio.get_running_loop().create_future()
        self.asked.put_nowait((name, future))
        return await future


def run(work) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def test_watch_reports_what_changed_and_answers_that_come_together_at_once():
    async def work() -> None:
        lookups, reports = Lookups(), asyncio.Queue()
        watch = NameWatch(lookups, reports.put_nowait)
        watch.follow({"a", "b"})
        first = dict([await lookups.asked.get(), await lookups.asked.get()])
        first["a"].set_result(Answer(ONE, 0))
        first["b"].set_exception(NoSuchName("gone"))
        assert await reports.get() == {"a": Resolution(ONE), "b": Resolution((), "gone")}
        assert watch.failing == 1
        await watch.settled(20)
        again = dict([await lookups.asked.get(), await lookups.asked.get()])
        again["a"].set_result(Answer(ONE, 0))  # nothing new
        again["b"].set_result(Answer(ONE, 0))
        assert await reports.get() == {"b": Resolution(ONE)}
        watch.close()

    run(work())


def test_watch_stops_asking_about_names_that_nothing_needs():
    async def work() -> None:
        lookups, reports = Lookups(), asyncio.Queue()
        watch = NameWatch(lookups, reports.put_nowait)
        watch.follow({"a", "b"})
        await lookups.asked.get()
        await lookups.asked.get()
        watch.follow({"b", "c"})
        name, lookup = await lookups.asked.get()
        assert name == "c"
        lookup.set_result(Answer(ONE, 300))
        assert await reports.get() == {"c": Resolution(ONE)}
        assert lookups.asked.empty()
        watch.follow(set())
        await watch.settled(20)
        watch.close()

    run(work())


def test_watch_survives_a_bug_in_a_lookup(caplog):
    async def work() -> None:
        async def broken(_name: str) -> Answer:
            raise RuntimeError("bug")

        reports = asyncio.Queue()
        watch = NameWatch(broken, reports.put_nowait)
        watch.follow({"a"})
        assert await reports.get() == {"a": Resolution((), "internal error")}
        watch.close()

    run(work())
    assert "internal error in the lookup of a" in caplog.text
