"""Bodies of both framings, both ways, byte for byte, in any segmentation."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from support.engine import (
    Peer,
    Rig,
    Upstream,
    answer,
    chunked,
    head,
    replies,
    request,
    response,
    until,
)

MIB = 1 << 20
SIZES = [0, 1, 4095, 4096, 4097, 65535, 65536, 65537, MIB]


def payload(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def pieces(data: bytes, most: int = 20_000) -> Iterator[bytes]:
    """Chunks of random sizes, small ones as likely as large ones."""
    rng = random.Random(len(data))
    at = 0
    while at < len(data):
        size = rng.randint(1, rng.choice([1, 10, 100, 4096, 4097, most]))
        yield data[at : at + size]
        at += size


async def echo(peer: Peer, up: Upstream) -> None:
    """Answers with the request's body, by length, or chunked when it came chunked."""
    while (message := await peer.read_request()) is not None:
        up.requests.append(message)
        if message.header("transfer-encoding"):
            fields = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked"]
            await peer.send(head(*fields) + chunked(pieces(message.body)))
        else:
            await peer.send(response(message.body))


@pytest.mark.parametrize("size", SIZES)
async def test_content_length_body_is_echoed_whole(rig: Rig, size: int) -> None:
    up = rig.upstream(echo)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    data = payload(size)
    for _ in range(2):
        await client.send(request("PUT", "/", body=data))
        assert (await client.read_response()).body == data
    assert [message.body for message in up.requests] == [data, data]
    assert len(up.peers) == 1
    counted = proxy.board.cluster(0)
    assert (counted["request_bytes"], counted["response_bytes"]) == (2 * size, 2 * size)


@pytest.mark.parametrize("size", SIZES)
async def test_chunked_body_is_echoed_whole(rig: Rig, size: int) -> None:
    up = rig.upstream(echo)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    data = payload(size)
    for _ in range(2):
        await client.send(
            request("PUT", "/", "Transfer-Encoding: chunked") + chunked(pieces(data))
        )
        answered = await client.read_response()
        assert answered.body == data
        assert answered.header("transfer-encoding") == "chunked"
    assert [message.body for message in up.requests] == [data, data]
    assert len(up.peers) == 1
    counted = proxy.board.cluster(0)
    assert (counted["request_bytes"], counted["response_bytes"]) == (2 * size, 2 * size)


async def test_chunks_of_one_byte_arrive_whole(rig: Rig) -> None:
    up = rig.upstream(echo)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    data = payload(30_000)
    ones = (data[i : i + 1] for i in range(len(data)))
    await client.send(request("PUT", "/", "Transfer-Encoding: chunked") + chunked(ones))
    assert (await client.read_response()).body == data
    assert up.requests[0].body == data


async def test_chunk_extensions_are_dropped(rig: Rig) -> None:
    body = b"3;name=value\r\nabc\r\n0;last\r\n\r\n"

    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            await peer.send(head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + body)

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for _ in range(2):
        await client.send(request("PUT", "/", "Transfer-Encoding: chunked") + body)
        assert (await client.read_response()).body == b"abc"
    assert [message.body for message in up.requests] == [b"abc", b"abc"]
    assert len(up.peers) == 1


@pytest.mark.parametrize(
    "sent",
    [
        request("GET", "/x", "Accept: */*"),
        request("PUT", "/x", body=b"hello world"),
        request("PUT", "/x", "Transfer-Encoding: chunked") + chunked([b"hello", b" ", b"world"]),
    ],
    ids=["head", "length", "chunked"],
)
async def test_request_dribbled_byte_by_byte_is_served(rig: Rig, sent: bytes) -> None:
    up = rig.upstream(echo)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for _ in range(2):
        await client.dribble(sent)
        answered = await client.read_response()
        assert answered.body == (b"" if sent.startswith(b"GET") else b"hello world")
    assert len(up.requests) == 2
    assert len(up.peers) == 1


@pytest.mark.parametrize(
    "sent",
    [
        response(b"hello world", "200 OK", "X-A: b"),
        head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + chunked([b"hello", b" world"]),
        head("HTTP/1.1 103 Early Hints", "Link: </a>") + response(b"hello world"),
    ],
    ids=["length", "chunked", "informational"],
)
async def test_response_dribbled_byte_by_byte_is_passed_on(rig: Rig, sent: bytes) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            await peer.dribble(sent)

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for _ in range(2):
        answered = await client.get()
        if answered.status == 103:
            answered = await client.read_response()
        assert answered.body == b"hello world"
    assert len(up.peers) == 1


@pytest.mark.parametrize("cut", range(1, 60, 7))
async def test_head_and_body_split_anywhere_are_served(rig: Rig, cut: int) -> None:
    up = rig.upstream(echo)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    sent = request("PUT", "/", body=b"0123456789")
    await client.send(sent[:cut])
    events = proxy.count("events")
    await until(lambda: proxy.count("events") > events)
    await client.send(sent[cut:] + sent)
    assert (await client.read_response()).body == b"0123456789"
    assert (await client.read_response()).body == b"0123456789"


async def test_body_streams_before_it_is_whole(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_until(b"\r\n\r\n")
        assert await peer.recv_exactly(5) == b"first"
        await peer.send(head("HTTP/1.1 200 OK", "Content-Length: 10") + b"begun")
        assert await peer.recv_exactly(6) == b"second"
        await peer.send(b"ended")

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(head("POST / HTTP/1.1", "Host: web", "Content-Length: 11") + b"first")
    started = await client.recv_until(b"\r\n\r\n")
    assert started.startswith(b"HTTP/1.1 200 OK\r\n")
    assert await client.recv_exactly(5) == b"begun"
    await client.send(b"second")
    assert await client.recv_exactly(5) == b"ended"


async def test_many_headers_survive_both_ways(rig: Rig) -> None:
    fields = [f"X-{i}: {'v' * 500}{i}" for i in range(90)]
    up = rig.upstream(replies(response(b"ok", "200 OK", *fields)))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    answered = await client.get("/", *fields)
    assert [f"{n}: {v}" for n, v in answered.fields if n[:2] == "x-" and n[2].isdigit()] == [
        field.lower() for field in fields
    ]
    sent = "\r\n".join(fields).encode()
    assert sent in up.requests[0].head


async def test_empty_content_length_zero_request_is_forwarded_as_such(rig: Rig) -> None:
    up = rig.upstream(answer)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request("PUT", "/", body=b""))
    assert (await client.read_response()).status == 200
    assert up.requests[0].header("content-length") == "0"
