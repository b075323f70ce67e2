"""What a route does to requests and responses besides choosing an upstream (ISTIO 1.10-1.19)."""

from __future__ import annotations

from typing import Any

import pytest
from support.engine import (
    Message,
    Peer,
    Rig,
    Upstream,
    answer,
    chunked,
    cluster,
    head,
    request,
    response,
    until,
)
from support.engine import route as plain_route

from meshproxy.snapshot.model import HeaderEditsData, RewriteData, RouteData

PPM = 1_000_000


def route(*arms: tuple[int, int], conditions: Any = (), **actions: Any) -> RouteData:
    settings = {key: actions.pop(key) for key in ("timeout_ms", "name") if key in actions}
    made = plain_route(*arms, **settings)
    made["conditions"] = list(conditions)
    made.update(actions)
    return made


def edits(
    remove: list[str] | None = None,
    set: dict[str, Any] | None = None,
    add: dict[str, Any] | None = None,
) -> HeaderEditsData:
    def parts(values: dict[str, Any] | None) -> list[tuple[str, list[Any]]]:
        return [(k, v if isinstance(v, list) else [v]) for k, v in (values or {}).items()]

    return {"remove": remove or [], "set": parts(set), "add": parts(add)}


def rewrite(
    kind: str, value: str = "", length: int = 0, pattern: str = "", authority: str = ""
) -> RewriteData:
    return {
        "kind": kind,
        "length": length,
        "pattern": pattern,
        "value": value,
        "authority": authority,
    }  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("rule", "sent", "got"),
    [
        (rewrite("prefix", "/bar", 4), "/foo/x?q=1", "/bar/x?q=1"),
        (rewrite("prefix", "/bar", 4), "/foobar", "/barbar"),
        (rewrite("prefix", "/", 6), "/strip/a", "//a"),
        (rewrite("prefix", "/v1", 1), "/x", "/v1x"),
        (rewrite("full", "/other"), "/foo/x?q=1", "/other?q=1"),
        (rewrite("regex", r"/\2/\1", pattern="^/([^/]+)/([^/]+)"), "/a/b/c?d", "/b/a/c?d"),
        (rewrite("regex", "x", pattern="a"), "/banana", "/bxnxnx"),
    ],
)
async def test_rewrite_changes_the_path_the_upstream_sees(
    rig: Rig, rule: RewriteData, sent: str, got: str
) -> None:
    up = rig.upstream()
    proxy = rig.proxy(clusters=[cluster(0, up.port)], routes=[route(rewrite=rule)])
    client = await rig.client(proxy.port)
    assert (await client.get(sent)).status == 200
    seen = up.requests[0]
    assert seen.path == got
    assert seen.header("x-envoy-original-path") == sent


async def test_rewrite_of_the_authority_sends_one_host(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(
        clusters=[cluster(0, up.port)],
        routes=[route(rewrite=rewrite("none", authority="other:81"))],
    )
    client = await rig.client(proxy.port)
    await client.get("/", host="web:80")
    assert up.requests[0].header("host") == "other:81"
    assert up.requests[0].header("x-envoy-original-host") == "web:80"


async def test_request_headers_are_removed_set_and_added_in_order(rig: Rig) -> None:
    up = rig.upstream()
    steps = [edits(["X-Gone"], {"X-Set": "new", "X-Empty": ""}, {"X-Add": "two"})]
    proxy = rig.proxy(clusters=[cluster(0, up.port)], routes=[route(request_edits=steps)])
    client = await rig.client(proxy.port)
    await client.get(
        "/", "x-gone: 1", "X-Set: a", "x-set: b", "X-Add: one", "X-Empty: kept", "X-Gone: 2"
    )
    fields = up.requests[0].fields
    assert [v for n, v in fields if n == "x-gone"] == []
    assert [v for n, v in fields if n == "x-set"] == ["new"]
    assert [v for n, v in fields if n == "x-add"] == ["one", "two"]
    assert [v for n, v in fields if n == "x-empty"] == ["kept"]


async def test_request_header_variables_are_filled_in(rig: Rig) -> None:
    up = rig.upstream()
    steps = [
        edits(
            set={
                "x-user": ["u-", ("REQ", "x-id", "", -1), "!"],
                "x-alt": [("REQ", "x-none", "x-id", 2)],
                "x-ip": [("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "", "", -1)],
                "x-path": [("REQ", ":path", "", -1)],
                "x-missing": [("REQ", "x-none", "", -1)],
            }
        )
    ]
    proxy = rig.proxy(clusters=[cluster(0, up.port)], routes=[route(request_edits=steps)])
    client = await rig.client(proxy.port)
    await client.get("/p?q", "X-Id: abc")
    seen = up.requests[0]
    assert seen.header("x-user") == "u-abc!"
    assert seen.header("x-alt") == "ab"
    assert seen.header("x-ip") == "127.0.0.1"
    assert seen.header("x-path") == "/p?q"
    assert seen.header("x-missing") is None


async def test_response_headers_are_edited_also_on_local_replies(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while await peer.read_request() is not None:
            await peer.send(response(b"x", "200 OK", "X-Secret: 1", "X-Up: a"))

    up = rig.upstream(script)
    steps = [
        edits(
            ["x-secret"],
            {"x-up": ["was ", ("RESP", "x-up", "", -1)]},
            {"x-req": [("REQ", "x-id", "", -1)]},
        )
    ]
    proxy = rig.proxy(
        clusters=[cluster(0, up.port), cluster(1)],
        routes=[
            route(
                (1, 1),
                conditions=[("uri", "", "prefix", "/down", False, False)],
                response_edits=steps,
            ),
            route(response_edits=steps),
        ],
    )
    client = await rig.client(proxy.port)
    answered = await client.get("/", "X-Id: 7")
    assert answered.header("x-secret") is None
    assert answered.header("x-up") == "was a"
    assert answered.header("x-req") == "7"
    refused = await client.get("/down", "X-Id: 8")
    assert (refused.status, refused.header("x-up"), refused.header("x-req")) == (503, "was", "8")


async def test_arm_edits_run_before_the_routes(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(
        clusters=[cluster(0, up.port)],
        routes=[
            route(
                (0, 1),
                (0, 1),
                request_edits=[edits(set={"x-who": "route"})],
                arm_request_edits=[
                    edits(set={"x-who": "arm", "x-arm": "a"}),
                    edits(set={"x-arm": "b"}),
                ],
                arm_authorities=["arm-a", ""],
            )
        ],
    )
    client = await rig.client(proxy.port)
    for _ in range(2):
        await client.get("/")
    assert [r.header("x-who") for r in up.requests] == ["route", "route"]
    assert sorted(str(r.header("x-arm")) for r in up.requests) == ["a", "b"]
    assert sorted(str(r.header("host")) for r in up.requests) == ["arm-a", "web"]


@pytest.mark.parametrize(
    ("rule", "sent", "location"),
    [
        ({"path": rewrite("full", "/new"), "authority": "h2"}, "/red?b=1", "http://h2/new?b=1"),
        ({"path": rewrite("full", "/new?c=2")}, "/red?b=1", "http://svc.test:8080/new?c=2"),
        ({"path": rewrite("prefix", "/z", 4)}, "/rpx/a?b=1", "http://svc.test:8080/z/a?b=1"),
        ({"scheme": "https", "port": 0}, "/a", "https://svc.test/a"),
        ({"scheme": "https"}, "/a", "https://svc.test:8080/a"),
        ({"port": 9}, "/a", "http://svc.test:9/a"),
    ],
)
async def test_redirect_answers_with_location(
    rig: Rig, rule: dict[str, Any], sent: str, location: str
) -> None:
    redirect = {"status": 302, "path": None, "scheme": "", "authority": "", "port": -1, **rule}
    proxy = rig.proxy(clusters=[], routes=[route(redirect=redirect)], access_log="text")
    client = await rig.client(proxy.port)
    answered = await client.get(sent, host="svc.test:8080")
    assert (answered.status, answered.header("location")) == (302, location)
    assert answered.header("content-length") == "0"
    assert " 302 - direct_response " in proxy.log_lines()[0]


async def test_direct_response_answers_with_its_body_and_keeps_the_connection(rig: Rig) -> None:
    big = b"b" * 300_000
    proxy = rig.proxy(
        clusters=[],
        routes=[
            route(
                conditions=[("uri", "", "exact", "/big", False, False)],
                direct_response={"status": 200, "body": big},
                response_edits=[edits(set={"content-type": "application/x-big"})],
            ),
            route(direct_response={"status": 418, "body": b""}),
        ],
    )
    client = await rig.client(proxy.port)
    answered = await client.get("/big")
    assert (answered.status, answered.body, answered.header("content-type")) == (
        200,
        big,
        "application/x-big",
    )
    answered = await client.get("/")
    assert (answered.status, answered.body, answered.header("content-type")) == (418, b"", None)
    await client.send(request("HEAD", "/big"))
    assert (await client.read_response("HEAD")).header("content-length") == "300000"


async def test_fault_abort_answers_without_the_upstream(rig: Rig) -> None:
    up = rig.upstream()
    fault = {"delay_ms": 0, "delay_ppm": 0, "abort_status": 555, "abort_ppm": PPM}
    proxy = rig.proxy(clusters=[cluster(0, up.port)], routes=[route(fault=fault)])
    client = await rig.client(proxy.port)
    answered = await client.get("/")
    assert (answered.status, answered.body) == (555, b"fault filter abort")
    assert up.requests == []
    assert proxy.codes() == {(555, "FI"): 1}


async def test_fault_delay_holds_the_request_and_its_body(rig: Rig) -> None:
    up = rig.upstream()
    fault = {"delay_ms": 60, "delay_ppm": PPM, "abort_status": 0, "abort_ppm": 0}
    proxy = rig.proxy(clusters=[cluster(0, up.port)], routes=[route(fault=fault, timeout_ms=5000)])
    client = await rig.client(proxy.port)
    body = b"y" * 200_000
    await client.send(head("POST / HTTP/1.1", "Host: web", "Transfer-Encoding: chunked"))
    await client.send(chunked([body[:70_000], body[70_000:]]))
    assert (await client.read_response()).status == 200
    assert up.requests[0].body == body
    assert proxy.codes() == {(200, "DI"): 1}


async def test_fault_delay_then_abort_sets_both_flags(rig: Rig) -> None:
    fault = {"delay_ms": 20, "delay_ppm": PPM, "abort_status": 503, "abort_ppm": PPM}
    proxy = rig.proxy(clusters=[cluster(0)], routes=[route(fault=fault)])
    client = await rig.client(proxy.port)
    assert (await client.get("/")).body == b"fault filter abort"
    assert proxy.codes() == {(503, "DI,FI"): 1}


async def test_client_that_leaves_during_a_delay_ends_the_stream(rig: Rig) -> None:
    fault = {"delay_ms": 60_000, "delay_ppm": PPM, "abort_status": 0, "abort_ppm": 0}
    proxy = rig.proxy(clusters=[cluster(0)], routes=[route(fault=fault)])
    client = await rig.client(proxy.port)
    await client.send(request())
    await until(lambda: proxy.count("streams") == 1)
    client.close()
    await until(lambda: proxy.count("streams") == 0)
    assert proxy.codes() == {(0, "DI,DC"): 1} or proxy.codes() == {(0, "DC,DI"): 1}


async def test_mirror_gets_a_copy_and_changes_nothing(rig: Rig) -> None:
    async def broken(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            await peer.send(response(b"mirror", "500 No"))

    up, copy = rig.upstream(), rig.upstream(broken)
    mirrors = [
        {"cluster": 1, "name": "c1", "ppm": PPM},
        {"cluster": -1, "name": "none", "ppm": PPM},
    ]
    proxy = rig.proxy(
        clusters=[cluster(0, up.port), cluster(1, copy.port)],
        routes=[route(mirrors=mirrors, rewrite=rewrite("full", "/new"))],
    )
    client = await rig.client(proxy.port)
    for size in (0, 10, 100_000):
        await client.send(request("POST", "/old", body=b"z" * size))
        assert (await client.read_response()).status == 200
    await until(lambda: len(copy.requests) == 3)
    assert [len(r.body) for r in copy.requests] == [0, 10, 100_000]
    assert {r.path for r in copy.requests} == {"/new"}
    assert proxy.codes() == {(200, "-"): 3}
    await until(lambda: proxy.codes(1) == {(500, "-"): 3})


async def test_mirror_that_is_down_or_hangs_harms_nobody(rig: Rig) -> None:
    async def hang(peer: Peer, up: Upstream) -> None:
        await peer.recv_all()

    up, hanging = rig.upstream(), rig.upstream(hang)
    mirrors = [
        {"cluster": 1, "name": "c1", "ppm": PPM},
        {"cluster": 2, "name": "c2", "ppm": PPM},
        {"cluster": 3, "name": "c3", "ppm": PPM},
    ]
    proxy = rig.proxy(
        clusters=[
            cluster(0, up.port),
            cluster(1, hanging.port),
            cluster(2, rig.refused_port()),
            cluster(3),
        ],
        routes=[route(mirrors=mirrors)],
    )
    client = await rig.client(proxy.port)
    for _ in range(20):
        assert (await client.get("/")).status == 200


async def test_copies_that_wait_are_bounded_in_bytes_and_those_that_left_are_not(rig: Rig) -> None:
    async def read_on(peer: Peer, up: Upstream) -> None:
        while await peer.read_request() is not None:
            up.requests.append(Message(b""))

    up, silent, unreachable = rig.upstream(), rig.upstream(read_on), rig.blackhole_port()
    mirrors = [{"cluster": n, "name": f"c{n}", "ppm": PPM} for n in (2, 1)]
    proxy = rig.proxy(
        clusters=[
            cluster(0, up.port),
            cluster(1, silent.port),
            cluster(2, unreachable, connect_timeout_ms=3_600_000),
        ],
        routes=[route(mirrors=mirrors)],
    )
    client = await rig.client(proxy.port)
    for copied in [*range(1, 67), *[66] * 4]:
        await client.send(request("POST", "/", body=b"z" * 1_000_000))
        assert (await client.read_response()).status == 200
        await until(lambda n=copied: len(silent.requests) == n)
    assert proxy.endpoint(unreachable, 2)["rq_total"] == 67  # 64 MiB


CORS = {
    "origins": [("exact", "http://a.test"), ("prefix", "http://b.")],
    "methods": "GET,POST",
    "headers": "x-one",
    "expose": "x-two",
    "max_age": "60",
    "credentials": True,
    "ignore_unmatched": False,
}


async def test_cors_preflight_is_answered_here(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(clusters=[cluster(0, up.port)], routes=[route(cors=CORS)])
    client = await rig.client(proxy.port)
    await client.send(
        request("OPTIONS", "/", "Origin: http://a.test", "Access-Control-Request-Method: POST")
    )
    answered = await client.read_response()
    assert answered.status == 200
    assert answered.header("access-control-allow-origin") == "http://a.test"
    assert answered.header("access-control-allow-methods") == "GET,POST"
    assert answered.header("access-control-allow-headers") == "x-one"
    assert answered.header("access-control-max-age") == "60"
    assert answered.header("access-control-allow-credentials") == "true"
    assert up.requests == []
    await client.send(
        request("OPTIONS", "/", "Origin: http://evil", "Access-Control-Request-Method: POST")
    )
    assert (await client.read_response()).header("access-control-allow-origin") is None
    assert len(up.requests) == 1


async def test_cors_headers_replace_the_upstreams(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while await peer.read_request() is not None:
            await peer.send(response(b"x", "200 OK", "Access-Control-Allow-Origin: *"))

    up = rig.upstream(script)
    proxy = rig.proxy(clusters=[cluster(0, up.port)], routes=[route(cors=CORS)])
    client = await rig.client(proxy.port)
    answered = await client.get("/", "Origin: http://b.test")
    assert answered.header("access-control-allow-origin") == "http://b.test"
    assert answered.header("access-control-expose-headers") == "x-two"
    assert (await client.get("/")).header("access-control-allow-origin") == "*"


async def test_plain_answer_still_names_the_upstream(rig: Rig) -> None:
    up = rig.upstream(answer, "u1")
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    assert (await client.get("/")).body == b"u1"


async def test_explain_header_names_the_decision_only_when_enabled(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    assert (await client.get("/", "x-meshproxy-explain: 1")).header("x-meshproxy-explain") is None
    asking = rig.proxy(up.port, options={"explain_header": True})
    client = await rig.client(asking.port)
    told = (await client.get("/", "x-meshproxy-explain: 1")).header("x-meshproxy-explain")
    assert told is not None
    assert "generation=1" in told
    assert f"endpoint=127.0.0.1:{up.port}" in told
    assert up.requests[-1].header("x-meshproxy-explain") is None
    assert (await client.get("/")).header("x-meshproxy-explain") is None


async def test_tcp_split_is_exact_per_connection(rig: Rig) -> None:
    async def name(peer: Peer, up: Upstream) -> None:
        await peer.send(up.name.encode())

    one, two = rig.upstream(name, "1"), rig.upstream(name, "2")
    proxy = rig.proxy(
        clusters=[cluster(0, one.port, protocol="tcp"), cluster(1, two.port, protocol="tcp")]
    )
    proxy.apply(tcp_clusters=[(0, 3), (1, 1)])
    seen = []
    for _ in range(40):
        client = await rig.client(proxy.tcp_port)
        seen.append(await client.recv_all())
    assert seen.count(b"2") == 10
