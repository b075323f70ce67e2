"""Large bodies go through the worker's pipe: the same bytes, and never into another message."""

from __future__ import annotations

import asyncio
import random
import signal

import pytest
from support.engine import Peer, Proxy, Rig, Upstream, cluster, head, request, response, until

KIB = 1024
MIB = 1 << 20
SMALL_BUFFER = 16_384
SIZES = (32 * KIB - 1, 32 * KIB, 64 * KIB, 256 * KIB, MIB, 3 * MIB + 1)


def bytes_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def spliced(proxy: Proxy) -> int:
    counted = proxy.board.process()["spliced_bytes"]
    assert isinstance(counted, int)
    return counted


async def sized(peer: Peer, up: Upstream) -> None:
    """Answer /N with the N bytes of that number."""
    while (message := await peer.read_request()) is not None:
        await peer.send(response(bytes_of(int(message.path[1:]))))


async def test_large_responses_arrive_as_they_were_sent(rig: Rig) -> None:
    up = rig.upstream(sized)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for size in (*SIZES, 100, *reversed(SIZES)):
        assert (await client.get(f"/{size}")).body == bytes_of(size), size
    assert spliced(proxy) > sum(SIZES)
    assert proxy.board.cluster(0)["response_bytes"] == 2 * sum(SIZES) + 100


async def test_pipelined_large_responses_come_in_order_to_a_client_that_reads_late(
    rig: Rig,
) -> None:
    up = rig.upstream(sized)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port, rcvbuf=SMALL_BUFFER)
    await client.send(
        b"".join(request("GET", f"/{size}") for size in (MIB, 10, 2 * MIB, 64 * KIB))
    )
    for size in (MIB, 10, 2 * MIB, 64 * KIB):
        assert (await client.read_response()).body == bytes_of(size)
    assert spliced(proxy) > 0


async def test_many_clients_at_once_each_get_their_own_bytes(rig: Rig) -> None:
    up = rig.upstream(sized)
    proxy = rig.proxy(up.port)
    clients = [await rig.client(proxy.port, rcvbuf=SMALL_BUFFER) for _ in range(12)]

    async def ask(number: int) -> None:
        for turn in range(4):
            size = 70_000 + 4_001 * number + turn
            assert (await clients[number].get(f"/{size}")).body == bytes_of(size)

    await asyncio.gather(*(ask(number) for number in range(len(clients))))
    assert spliced(proxy) > MIB


@pytest.mark.parametrize("first", [1, 4096 - 40, 4096, 10_000, 70_000])
async def test_what_has_come_of_a_large_response_leaves_before_the_rest(
    rig: Rig, first: int
) -> None:
    gate = asyncio.Event()

    async def script(peer: Peer, up: Upstream) -> None:
        while await peer.read_request() is not None:
            whole = response(bytes_of(MIB))
            await peer.send(whole[:first])
            await gate.wait()
            gate.clear()
            await peer.send(whole[first:])

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    body_at = len(response(bytes_of(MIB))) - MIB
    for _ in range(3):
        await client.send(request())
        if first > body_at:
            client.unread += await client.recv_until(b"\r\n\r\n") + await client.recv_exactly(
                first - body_at
            )
        gate.set()
        assert (await client.read_response()).body == bytes_of(MIB)


@pytest.mark.parametrize("extra", [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"])
async def test_bytes_behind_a_large_response_answer_nobody(rig: Rig, extra: bytes) -> None:
    size = 256 * KIB

    async def script(peer: Peer, up: Upstream) -> None:
        while await peer.read_request() is not None:
            whole = response(bytes_of(size))
            await peer.send(whole[:-1000])
            await peer.send(whole[-1000:] + extra)  # one segment: there when the body ends

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for _ in range(4):
        assert (await client.get()).body == bytes_of(size)
    assert len(up.peers) == 4
    assert spliced(proxy) > 0


async def test_bytes_behind_a_response_that_fills_the_first_read_answer_nobody_who_waits(
    rig: Rig,
) -> None:
    """Behind a large response heads are read 4096 bytes at a time: the surplus is not in them."""
    both = asyncio.Event()

    async def script(peer: Peer, up: Upstream) -> None:
        body = bytes_of(64 * KIB)
        while await peer.read_request() is not None:
            await peer.send(response(body))
            await peer.read_request()
            await both.wait()
            body = b"n" * (4096 - len(head("HTTP/1.1 200 OK", "Content-Length: 4000")))
            await peer.send(response(body) + response(b"evil"))

    up = rig.upstream(script)
    data = cluster(0, up.port)
    data["limits"] = {"max_connections": 1}  # type: ignore[typeddict-item]
    proxy = rig.proxy(clusters=[data])
    first, waiting = await rig.client(proxy.port), await rig.client(proxy.port)
    assert len((await first.get()).body) == 64 * KIB
    await first.send(request())
    await until(lambda: proxy.board.cluster(0)["rq_active"] == 1)
    await waiting.send(request())
    await until(lambda: proxy.board.cluster(0)["rq_pending"] == 1)
    both.set()
    assert set((await first.read_response()).body) == {ord("n")}
    assert (await waiting.read_response()).body == bytes_of(64 * KIB)


async def test_upstream_that_breaks_off_a_large_response_cuts_that_one_alone(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            if message.path == "/cut":
                await peer.send(head("HTTP/1.1 200 OK", f"Content-Length: {MIB}"))
                await peer.send(bytes_of(300 * KIB))
                return
            await peer.send(response(bytes_of(128 * KIB)))

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    whole, cut = await rig.client(proxy.port), await rig.client(proxy.port)
    assert (await whole.get("/")).body == bytes_of(128 * KIB)
    await cut.send(request("GET", "/cut"))
    answer = await cut.recv_all()
    assert answer.partition(b"\r\n\r\n")[2] == bytes_of(300 * KIB)
    assert (await whole.get("/")).body == bytes_of(128 * KIB)
    assert proxy.codes() == {(200, "-"): 2, (200, "UPE"): 1}


@pytest.mark.parametrize("is_reset", [False, True], ids=["fin", "rst"])
async def test_upstream_that_ends_behind_the_first_read_of_a_large_response_is_noticed(
    rig: Rig, is_reset: bool
) -> None:
    """The second request's head is read alone, and its end comes with it: no edge follows."""

    async def script(peer: Peer, up: Upstream) -> None:
        await peer.read_request()
        await peer.send(response(bytes_of(64 * KIB)))
        await peer.read_request()
        sent = head("HTTP/1.1 200 OK", f"Content-Length: {MIB}")
        await peer.send(sent + bytes_of(4096 - len(sent)))
        if is_reset:
            peer.reset()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    assert (await client.get()).body == bytes_of(64 * KIB)
    await client.send(request())
    assert await client.recv_all() is not None
    await until(lambda: proxy.count("streams") == 0)


async def test_client_that_resets_amid_a_large_response_leaves_nothing_to_others(
    rig: Rig,
) -> None:
    up = rig.upstream(sized)
    proxy = rig.proxy(up.port)
    other = await rig.client(proxy.port)
    for _ in range(20):
        gone = await rig.client(proxy.port, rcvbuf=SMALL_BUFFER)
        await gone.send(request("GET", f"/{3 * MIB}"))
        await gone.recv_exactly(50_000)
        gone.reset()
        assert (await other.get(f"/{128 * KIB}")).body == bytes_of(128 * KIB)


async def test_head_request_of_a_large_response_takes_no_body(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            body = b"" if message.method == "HEAD" else bytes_of(MIB)
            await peer.send(head("HTTP/1.1 200 OK", f"Content-Length: {MIB}") + body)

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for _ in range(3):
        await client.send(request("HEAD"))
        assert (await client.read_response("HEAD")).header("content-length") == str(MIB)
        assert (await client.get()).body == bytes_of(MIB)


async def test_large_head_of_a_large_response_is_read_whole(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while await peer.read_request() is not None:
            await peer.send(response(bytes_of(MIB), "200 OK", "X-Long: " + "v" * 20_000))

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for _ in range(3):
        answer = await client.get()
        assert len(answer.header("x-long") or "") == 20_000
        assert answer.body == bytes_of(MIB)


async def echo_size(peer: Peer, up: Upstream) -> None:
    while (message := await peer.read_request()) is not None:
        same = message.body == bytes_of(len(message.body))
        await peer.send(response(b"%d %d" % (len(message.body), same)))


async def test_large_uploads_arrive_as_they_were_sent(rig: Rig) -> None:
    up = rig.upstream(echo_size)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for size in SIZES:
        await client.send(request("POST", "/", body=bytes_of(size)) + request("GET", "/"))
        assert (await client.read_response()).body == b"%d 1" % size
        assert (await client.read_response()).body == b"0 1"
    assert spliced(proxy) > MIB
    assert proxy.board.cluster(0)["request_bytes"] == sum(SIZES)


async def test_upstream_that_ends_amid_a_large_upload_is_told_of(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_until(b"\r\n\r\n")
        await peer.recv_exactly(300 * KIB)
        peer.reset()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    sender = client.loop.create_task(client.send(request("POST", "/", body=bytes_of(3 * MIB))))
    assert (await client.read_response()).status == 503
    await asyncio.gather(sender, return_exceptions=True)


async def test_session_that_breaks_off_amid_bulk_leaves_nothing_to_another(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while size := int((await peer.recv_until(b"\n")).strip() or b"0"):
            await peer.send(bytes_of(size))

    up = rig.upstream(script)
    proxy = rig.tcp_proxy(up.port)
    kept = await rig.client(proxy.tcp_port)
    for _ in range(10):
        gone = await rig.client(proxy.tcp_port, rcvbuf=SMALL_BUFFER)
        await gone.send(b"%d\n" % (3 * MIB))
        await gone.recv_exactly(50_000)
        gone.reset()
        await kept.send(b"%d\n" % MIB)
        assert await kept.recv_exactly(MIB) == bytes_of(MIB)
    await kept.send(b"0\n")
    assert spliced(proxy) > MIB


async def test_without_a_pipe_bodies_are_copied(rig: Rig) -> None:
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        up = rig.upstream(sized)
        proxy = rig.proxy(up.port)
    finally:
        signal.signal(signal.SIGPIPE, before)
    client = await rig.client(proxy.port)
    for size in SIZES:
        assert (await client.get(f"/{size}")).body == bytes_of(size)
    assert spliced(proxy) == 0
