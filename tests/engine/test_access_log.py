"""One line per request, text or JSON, that no client can break."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from typing import Any

import pytest
from support.engine import Peer, Rig, Upstream, cluster, head, replies, request, response, until

LINE = re.compile(
    r"\[(?P<start>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\] "
    r'"(?P<method>\S+) (?P<path>\S+) (?P<protocol>HTTP/1\.[01])" '
    r"(?P<status>\d+) (?P<flags>\S+) (?P<details>\S+) - \"-\" "
    r"(?P<received>\d+) (?P<sent>\d+) (?P<duration>\d+) (?P<service>\d+|-) "
    r'"(?P<xff>[^"]*)" "(?P<agent>[^"]*)" "(?P<id>[^"]*)" "(?P<authority>[^"]*)" '
    r'"(?P<upstream>[^"]*)" (?P<cluster>\S+) - - (?P<remote>\S+) - (?P<route>\S+)'
)
KEYS = {
    "status": "response_code",
    "flags": "response_flags",
    "details": "response_code_details",
    "received": "bytes_received",
    "sent": "bytes_sent",
    "xff": "x_forwarded_for",
    "agent": "user_agent",
    "id": "request_id",
    "upstream": "upstream_host",
    "cluster": "upstream_cluster",
    "remote": "downstream_remote_address",
    "route": "route_name",
}


def parse(line: str, access_log: str) -> dict[str, str]:
    """The same words for both formats; "-" is what JSON calls null."""
    if access_log == "text":
        found = LINE.fullmatch(line)
        assert found, line
        return found.groupdict()
    values: dict[str, Any] = json.loads(line)
    back = {new: old for old, new in KEYS.items()}
    return {back.get(k, k): "-" if v is None else str(v) for k, v in values.items()}


both = pytest.mark.parametrize("access_log", ["text", "json"])


@both
async def test_good_request_is_logged_with_all_it_said(rig: Rig, access_log: str) -> None:
    up = rig.upstream(replies(response(b"hello")))
    proxy = rig.proxy(up.port, access_log=access_log)
    client = await rig.client(proxy.port)
    fields = ["User-Agent: test/1", "X-Forwarded-For: 10.1.2.3", "X-Request-Id: abc"]
    await client.send(request("POST", "/a?b=%22", *fields, body=b"xyz"))
    await client.read_response()
    await until(proxy.log_lines)
    (line,) = [parse(line, access_log) for line in proxy.log_lines()]
    wanted = {
        "method": "POST",
        "path": "/a?b=%22",
        "protocol": "HTTP/1.1",
        "status": "200",
        "flags": "-",
        "details": "via_upstream",
        "received": "3",
        "sent": "5",
        "xff": "10.1.2.3",
        "agent": "test/1",
        "id": "abc",
        "authority": "web",
        "upstream": f"127.0.0.1:{up.port}",
        "cluster": "outbound|80||c0.default.svc.cluster.local",
        "remote": "10.1.2.3:0",
        "route": "default",
    }
    assert {name: line[name] for name in wanted} == wanted


@both
async def test_generated_request_id_in_the_log_is_the_one_sent_upstream(
    rig: Rig, access_log: str
) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, access_log=access_log)
    client = await rig.client(proxy.port)
    await client.get()
    await until(proxy.log_lines)
    (line,) = [parse(line, access_log) for line in proxy.log_lines()]
    assert line["id"] == up.requests[0].header("x-request-id")


@both
async def test_no_route_is_logged(rig: Rig, access_log: str) -> None:
    proxy = rig.proxy(rig.refused_port(), access_log=access_log, domain="known")
    client = await rig.client(proxy.port)
    await client.get("/lost", host="unknown:81")
    await until(proxy.log_lines)
    (line,) = [parse(line, access_log) for line in proxy.log_lines()]
    assert (line["status"], line["flags"], line["details"]) == ("404", "NR", "route_not_found")
    assert (line["path"], line["authority"]) == ("/lost", "unknown:81")
    assert (line["upstream"], line["cluster"]) == ("-", "-")


@both
async def test_failures_are_logged_with_their_flag_and_body_size(
    rig: Rig, access_log: str
) -> None:
    proxy = rig.proxy(clusters=[cluster(0)], access_log=access_log)
    client = await rig.client(proxy.port)
    answered = await client.get()
    proxy.apply(cluster(0, rig.refused_port()))
    refused = await client.get()
    await until(lambda: len(proxy.log_lines()) == 2)
    first, second = [parse(line, access_log) for line in proxy.log_lines()]
    assert (first["status"], first["flags"], first["details"]) == (
        "503",
        "UH",
        "no_healthy_upstream",
    )
    assert first["sent"] == str(len(answered.body)) == "19"
    assert (second["status"], second["flags"], second["details"]) == (
        "503",
        "UF",
        "upstream_reset_before_response_started{remote_connection_failure}",
    )
    assert second["sent"] == str(len(refused.body))
    assert second["upstream"].startswith("127.0.0.1:")


@both
async def test_bad_request_is_logged_without_a_word_of_it(rig: Rig, access_log: str) -> None:
    proxy = rig.proxy(rig.refused_port(), access_log=access_log)
    client = await rig.client(proxy.port)
    await client.send(b'GET "\x00\r\n[2020-01-01] forged\r\n\r\n')
    assert (await client.read_response()).status == 400
    await until(proxy.log_lines)
    (line,) = [parse(line, access_log) for line in proxy.log_lines()]
    assert (line["status"], line["flags"], line["details"]) == ("400", "DPE", "http1.codec_error")
    assert (line["method"], line["path"], line["sent"]) == ("-", "-", "11")
    assert line["remote"] == f"127.0.0.1:{client.sock.getsockname()[1]}"


@both
@pytest.mark.parametrize("at_once", [True, False], ids=["whole", "dribbled"])
async def test_refused_head_is_logged_with_what_was_understood_of_it(
    rig: Rig, access_log: str, at_once: bool
) -> None:
    proxy = rig.proxy(rig.refused_port(), access_log=access_log)
    client = await rig.client(proxy.port)
    data = b"PUT /a?b=1 HTTP/1.0\r\nHost: web\r\nBad field\r\n\r\n"
    await (client.send(data) if at_once else client.dribble(data))
    assert (await client.read_response()).status == 400
    await until(proxy.log_lines)
    (line,) = [parse(line, access_log) for line in proxy.log_lines()]
    assert (line["status"], line["flags"], line["details"]) == ("400", "DPE", "http1.codec_error")
    assert (line["method"], line["path"], line["protocol"]) == ("PUT", "/a?b=1", "HTTP/1.0")


@both
async def test_client_abort_is_logged_with_who_left(rig: Rig, access_log: str) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        up.requests.append(await peer.next_request())
        if len(up.requests) == 2:
            await peer.send(head("HTTP/1.1 206 Partial", "Content-Length: 9") + b"abc")
        await peer.is_closed()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port, access_log=access_log)
    names = []
    for n in (1, 2):
        client = await rig.client(proxy.port)
        names.append(f"127.0.0.1:{client.sock.getsockname()[1]}")
        await client.send(request("GET", f"/{n}"))
        await until(lambda n=n: len(up.requests) == n)
        if n == 2:
            await client.recv_until(b"abc")
        client.close()
        await until(lambda n=n: len(proxy.log_lines()) == n)
    before, inside = [parse(line, access_log) for line in proxy.log_lines()]
    for line in (before, inside):
        assert (line["flags"], line["details"]) == ("DC", "downstream_remote_disconnect")
    assert (before["status"], before["sent"]) == ("0", "0")
    assert (inside["status"], inside["sent"]) == ("206", "3")
    assert [before["remote"], inside["remote"]] == names


@both
async def test_truncated_response_is_logged_as_such(rig: Rig, access_log: str) -> None:
    up = rig.upstream(replies(head("HTTP/1.1 200 OK", "Content-Length: 9") + b"abc"))
    proxy = rig.proxy(up.port, access_log=access_log)
    client = await rig.client(proxy.port)
    await client.send(request())
    await client.recv_all()
    await until(proxy.log_lines)
    (line,) = [parse(line, access_log) for line in proxy.log_lines()]
    assert (line["status"], line["flags"], line["sent"]) == ("200", "UPE", "3")
    assert line["details"] == "upstream_reset_after_response_started{protocol_error}"


@both
async def test_hostile_bytes_are_escaped_and_stay_on_their_line(rig: Rig, access_log: str) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, access_log=access_log)
    client = await rig.client(proxy.port)
    hostile = bytes(c for c in range(256) if (c >= 0x20 and c != 0x7F) or c == 9)
    sent = (
        b"GET /?\"'\\<> HTTP/1.1\r\nHost: web\r\nUser-Agent: a" + hostile + b"z\r\n"
        b'X-Forwarded-For: 1" 200 - "\r\nX-Request-Id: \xe2\x80\xa8","x":"\r\n\r\n'
    )
    await client.send(sent)
    assert (await client.read_response()).status == 200
    await until(proxy.log_lines)
    (raw,) = proxy.log_lines()
    assert raw.isascii() and raw.isprintable()
    line = parse(raw, access_log)
    if access_log == "json":
        assert line["agent"].encode("latin-1") == b"a" + hostile + b"z"
        assert line["path"] == "/?\"'\\<>"
        assert line["xff"] == '1" 200 - "'
        assert line["id"].encode("latin-1") == b'\xe2\x80\xa8","x":"'
    else:
        assert line["path"] == r"/?\x22'\x5c<>"
        assert line["xff"] == r"1\x22 200 - \x22"
        assert line["id"] == r"\xe2\x80\xa8\x22,\x22x\x22:\x22"
        plain = re.sub(
            r"\\x([0-9a-f]{2})", lambda code: chr(int(code[1], 16)), line["agent"]
        ).encode("latin-1")
        assert plain == b"a" + hostile + b"z"


async def test_every_request_has_one_line_in_order_of_their_ends(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, access_log="text")
    client = await rig.client(proxy.port)
    await client.send(b"".join(request("GET", f"/{i}") for i in range(2000)))
    for _ in range(2000):
        await client.read_response()
    await until(lambda: len(proxy.log_lines()) == 2000)
    paths = [parse(line, "text")["path"] for line in proxy.log_lines()]
    assert paths == [f"/{i}" for i in range(2000)]


async def test_log_switched_on_and_off_under_load_logs_what_began_while_it_was_on(
    rig: Rig,
) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, access_log="text")
    client = await rig.client(proxy.port)
    for fd, wanted in ((proxy.log_fd, 5), (-1, 5), (proxy.log_fd, 10)):
        proxy.engine.set_access_log(fd)
        for _ in range(5):
            await client.get()
        assert len(proxy.log_lines()) == wanted


async def test_log_whose_reader_is_slow_loses_lines_and_never_half_a_line(rig: Rig) -> None:
    proxy = rig.proxy(clusters=[cluster(0)])
    reading, writing = os.pipe2(os.O_NONBLOCK)
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    proxy.engine.set_access_log(writing)
    client = await rig.client(proxy.port)
    text = b""
    for _ in range(20):
        await client.send(request() * 50)
        for _ in range(50):
            assert (await client.read_response()).status == 503
        with contextlib.suppress(BlockingIOError):
            while data := os.read(reading, 65536):
                text += data
    proxy.engine.set_access_log(-1)
    os.close(writing)
    text += os.read(reading, 65536)
    os.close(reading)
    lines = text.decode("ascii").splitlines()
    assert 20 <= len(lines) < 1000
    for line in lines[:-1]:
        assert parse(line, "text")["flags"] == "UH"


async def test_log_that_cannot_be_written_harms_no_request(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    proxy.engine.set_access_log(proxy.listeners[0].fileno())
    client = await rig.client(proxy.port)
    for _ in range(10):
        assert (await client.get()).status == 200
