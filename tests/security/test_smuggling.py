"""Both sides of the proxy count the same requests, whatever a client sends.

Each attack of tests/corpus/smuggling goes through an engine to an upstream that writes down what
it reads. Then another client asks for its own page on the same upstream connections. What the
access log says was forwarded, the upstream must have read: method, target and Host. The other
client must get its own answer.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from corpus.http1.feed import events_of
from corpus.smuggling.attacks import Attack, load
from security.recorders import H11Server, InLoop, LlhttpServer, Nginx, Recorder, Seen, nginx
from support.engine import Peer, Proxy, Rig, until

ATTACKS = list(load("request"))
VICTIM, LAST = "/victim", "/last"


@pytest.fixture(scope="module")
def real_nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx | None]:
    with nginx(tmp_path_factory.mktemp("nginx")) as server:
        yield server


async def ask(rig: Rig, proxy: Proxy, path: str) -> None:
    """An honest client on its own connection gets its own answer."""
    client = await rig.client(proxy.port)
    answered = await client.get(path)
    assert (answered.status, answered.body.decode()) == (200, f"GET {path}")
    client.close()


async def attack(client: Peer, case: Attack) -> list[int]:
    """Send it; the statuses of the answers that are due."""
    sender = client.loop.create_task(client.send(case.data))
    statuses = []
    refused = "HEAD" if case.data.startswith(b"HEAD ") else "GET"
    for _, known in case.answers:
        method = known or refused
        answered = await client.read_response(method)
        while answered.status == 100:
            answered = await client.read_response(method)
        statuses.append(answered.status)
    await sender
    return statuses


def counted(proxy: Proxy) -> list[dict[str, Any]]:
    return [json.loads(line) for line in proxy.log_lines()]


async def play(rig: Rig, case: Attack, upstream: Recorder) -> list[Seen]:
    proxy = rig.proxy(upstream.port, access_log="json")
    client = await rig.client(proxy.port)
    statuses = await attack(client, case)
    await ask(rig, proxy, VICTIM)
    if case.outcome[-1] == "closed":
        assert await client.is_closed()
    else:
        with pytest.raises(BlockingIOError):
            client.sock.recv(1)
    client.close()
    await until(lambda: proxy.count("streams") == 0)
    await ask(rig, proxy, LAST)
    seen = await upstream.seen(LAST)
    lines = [line for line in counted(proxy) if line["path"] not in (VICTIM, LAST)]
    read = [one for one in seen if one.target != VICTIM]
    assert len(seen) - len(read) == 1, "the other client's request was read once"
    # A request refused inside its body may have begun at the upstream; it never was whole.
    forwarded = [line for line in lines if line["upstream_host"]]
    sent = Counter(key_of(line) for line in forwarded if not is_refused(line))
    begun = Counter(key_of(line) for line in forwarded if is_refused(line))
    hosts = {(method, target): host for method, target, host in sent}
    for one in read:
        if one.status == 400 and not one.host:  # refused by its first line, before Host was read
            one.host = hosts.get((one.method, one.target), "")
    assert sent <= Counter(one.key for one in read) <= sent + begun
    read = [one for one in read if one.status == 200 or one.key in sent]
    assert Counter(one.key for one in read) == sent
    # What an upstream refuses by itself is passed on.
    answers = iter(one.status for one in read)
    assert statuses == [next(answers) if method else status for status, method in case.answers]
    assert [outcome_of(line) for line in lines] == list(case.outcome[:-1])
    return read


def is_refused(line: dict[str, Any]) -> bool:
    return line["response_flags"] == "DPE"


def key_of(line: dict[str, Any]) -> tuple[str, str, str]:
    return line["method"], line["path"], line["authority"] or ""


def outcome_of(line: dict[str, Any]) -> str:
    if line["upstream_host"] and not is_refused(line):
        return f"{'200' if line['response_code'] else '-'} {line['method']} {line['path'] or ''}"
    return f"{line['response_code']} {line['response_code_details']}"


@pytest.mark.parametrize("case", ATTACKS, ids=lambda case: case.name)
@pytest.mark.parametrize("kind", [H11Server, LlhttpServer], ids=["h11", "llhttp"])
def test_upstream_in_python_reads_what_the_proxy_counted(kind: Any, case: Attack) -> None:
    rig = Rig("uvloop")

    async def test() -> None:
        upstream = InLoop(kind)
        await upstream.open()
        try:
            await play(rig, case, upstream)
        finally:
            upstream.close()

    rig.run(test, {})


@pytest.mark.parametrize("case", ATTACKS, ids=lambda case: case.name)
def test_nginx_reads_what_the_proxy_counted(real_nginx: Nginx | None, case: Attack) -> None:
    if real_nginx is None:
        pytest.skip("nginx is not installed")
    rig = Rig("uvloop")

    async def test() -> None:
        await play(rig, case, real_nginx)

    rig.run(test, {})


@pytest.mark.parametrize("kind", ["request", "response"])
def test_attack_in_segments_of_one_byte_gets_the_same_verdict(kind: str) -> None:
    for case in load(kind):
        if len(case.data) < 2000:
            bytewise = [case.data[i : i + 1] for i in range(len(case.data))]
            assert events_of(bytewise, kind) == events_of([case.data], kind), case.name


def test_attacks_are_as_many_as_promised_and_each_has_a_source() -> None:
    every = [*ATTACKS, *load("response")]
    assert len(every) >= 300
    assert len({case.name for case in every}) == len(every)
    assert all(case.source and case.outcome for case in every)
