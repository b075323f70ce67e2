"""A slow side slows the other one down; the proxy holds no more than a piece of the body."""

from __future__ import annotations

import asyncio
import hashlib
import resource
from pathlib import Path

import pytest
from support.engine import Peer, Rig, Upstream, chunked, head, request, response, settle

MIB = 1 << 20
TOTAL = 64 * MIB
BLOCK = bytes(range(256)) * 256
SMALL_BUFFER = 16_384


def rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def send_counted(peer: Peer, moved: list[int], total: int, is_chunked: bool) -> None:
    while moved[0] < total:
        await peer.send(b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK) if is_chunked else BLOCK)
        moved[0] += len(BLOCK)
    if is_chunked:
        await peer.send(b"0\r\n\r\n")


async def read_length(peer: Peer, total: int) -> str:
    digest = hashlib.blake2b()
    while total:
        data = await peer.recv(min(total, MIB))
        assert data
        digest.update(data)
        total -= len(data)
    return digest.hexdigest()


async def read_chunks(peer: Peer) -> str:
    digest = hashlib.blake2b()
    while size := int(await peer.recv_until(b"\r\n"), 16):
        digest.update(await peer.recv_exactly(size))
        assert await peer.recv_exactly(2) == b"\r\n"
    assert await peer.recv_exactly(2) == b"\r\n"
    return digest.hexdigest()


def wanted() -> str:
    digest = hashlib.blake2b()
    for _ in range(TOTAL // len(BLOCK)):
        digest.update(BLOCK)
    return digest.hexdigest()


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
async def test_client_that_reads_late_stops_the_upstream(rig: Rig, is_chunked: bool) -> None:
    sent = [0]
    framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {TOTAL}"

    async def script(peer: Peer, up: Upstream) -> None:
        await peer.read_request()
        await peer.send(head("HTTP/1.1 200 OK", framing))
        await send_counted(peer, sent, TOTAL, is_chunked)
        await peer.read_request()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port, rcvbuf=SMALL_BUFFER)
    other = await rig.client(proxy.port)
    before = rss_bytes()
    await client.send(request())
    await client.recv_until(b"\r\n\r\n")
    await settle(proxy, sent)
    # Socket buffers of two loopback connections, which the kernel sizes; far from all of it.
    assert sent[0] < TOTAL // 2
    assert rss_bytes() - before < 8 * MIB
    assert proxy.count("streams") == 1
    other.close()
    assert await (read_chunks(client) if is_chunked else read_length(client, TOTAL)) == wanted()
    assert proxy.board.cluster(0)["response_bytes"] == TOTAL


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
async def test_upstream_that_reads_late_stops_the_client(rig: Rig, is_chunked: bool) -> None:
    gate = asyncio.Event()
    digests = []
    framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {TOTAL}"

    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_until(b"\r\n\r\n")
        await gate.wait()
        body = read_chunks(peer) if is_chunked else read_length(peer, TOTAL)
        digests.append(await body)
        await peer.send(response(b"done"))
        await peer.read_request()

    up = rig.upstream(script, rcvbuf=SMALL_BUFFER)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    sent = [0]
    before = rss_bytes()
    await client.send(head("POST / HTTP/1.1", "Host: web", framing))
    sender = client.loop.create_task(send_counted(client, sent, TOTAL, is_chunked))
    await settle(proxy, sent)
    assert sent[0] < TOTAL // 2
    assert rss_bytes() - before < 8 * MIB
    gate.set()
    assert (await client.read_response()).body == b"done"
    await sender
    assert digests == [wanted()]
    assert proxy.board.cluster(0)["request_bytes"] == TOTAL


async def test_upload_that_waits_for_its_connection_is_held_to_one_piece(rig: Rig) -> None:
    proxy = rig.proxy(rig.blackhole_port(), connect_timeout_ms=400)
    client = await rig.client(proxy.port)
    sent = [0]
    before = rss_bytes()
    await client.send(head("POST / HTTP/1.1", "Host: web", f"Content-Length: {TOTAL}"))
    sender = client.loop.create_task(send_counted(client, sent, TOTAL, False))
    assert (await client.read_response()).status == 503
    assert sent[0] < TOTAL
    assert rss_bytes() - before < 8 * MIB
    sender.cancel()
    await asyncio.gather(sender, return_exceptions=True)


async def test_client_gone_while_its_response_waits_frees_everything(rig: Rig) -> None:
    sent = [0]

    async def script(peer: Peer, up: Upstream) -> None:
        await peer.read_request()
        await peer.send(head("HTTP/1.1 200 OK", f"Content-Length: {TOTAL}"))
        await send_counted(peer, sent, TOTAL, False)

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port, rcvbuf=SMALL_BUFFER)
    await client.send(request())
    await client.recv_until(b"\r\n\r\n")
    await settle(proxy, sent)
    client.reset()
    await settle(proxy, sent)
    assert proxy.count("upstream") == proxy.count("streams") == 0
    assert proxy.codes() == {(200, "DC"): 1}


async def test_upstream_gone_while_its_response_waits_still_delivers_what_it_sent(
    rig: Rig,
) -> None:
    """A response that ends at the close must not be cut because the client reads late."""
    size = 8 * MIB
    body = BLOCK * (size // len(BLOCK))

    async def script(peer: Peer, up: Upstream) -> None:
        await peer.read_request()
        await peer.send(head("HTTP/1.1 200 OK") + body)

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port, rcvbuf=SMALL_BUFFER)
    await client.send(request())
    await client.recv_until(b"\r\n\r\n")
    await settle(proxy, [up.ended])
    digest = await read_chunks(client)
    assert digest == hashlib.blake2b(body).hexdigest()


async def test_slow_client_does_not_slow_another(rig: Rig) -> None:
    sent = [0]

    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            if message.path == "/big":
                await peer.send(head("HTTP/1.1 200 OK", f"Content-Length: {TOTAL}"))
                await send_counted(peer, sent, TOTAL, False)
            else:
                await peer.send(response(b"quick"))

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    slow = await rig.client(proxy.port, rcvbuf=SMALL_BUFFER)
    await slow.send(request("GET", "/big"))
    await slow.recv_until(b"\r\n\r\n")
    quick = await rig.client(proxy.port)
    for _ in range(100):
        assert (await quick.get()).body == b"quick"
    assert sent[0] < TOTAL
    await quick.send(request("POST", "/", "Transfer-Encoding: chunked") + chunked([b"x"]))
    assert (await quick.read_response()).body == b"quick"
