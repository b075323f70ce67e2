"""The compiled engine inside the test's own loop, with raw sockets on both sides of it.

A `Rig` starts proxies, upstreams and clients, and at the end proves that nothing stayed behind:
no connection, no stream, no gauge above zero, no exception in a handler.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from meshproxy._fast.engine import Engine
from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.snapshot.model import (
    ClusterData,
    HashPolicyData,
    LoadBalancerData,
    RouteData,
    SnapshotData,
)

TIMEOUT_S = 60.0
LOCALHOST = "127.0.0.1"
TCP_REPAIR = 19  # linux/tcp.h
UNREACHABLE = "255.255.255.255"  # connect() fails at once: ENETUNREACH
HTTP_LISTENER = 0
TCP_LISTENER = 1
ENDPOINTS_PER_CLUSTER = 64


async def until(predicate: Callable[[], object], what: str = "") -> None:
    """Let the loop run until the predicate holds."""
    deadline = time.monotonic() + TIMEOUT_S / 2
    while not predicate():
        assert time.monotonic() < deadline, f"never came true: {what or predicate}"
        await asyncio.sleep(0)


# -- bytes ------------------------------------------------------------------------------------


def request(
    method: str = "GET",
    path: str = "/",
    *fields: str,
    host: str = "web",
    body: bytes | None = None,
    version: str = "1.1",
) -> bytes:
    lines = [f"{method} {path} HTTP/{version}", f"Host: {host}", *fields]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def response(
    body: bytes = b"", status: str = "200 OK", *fields: str, version: str = "1.1"
) -> bytes:
    lines = [f"HTTP/{version} {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def head(start: str, *fields: str) -> bytes:
    return "\r\n".join([start, *fields]).encode("latin-1") + b"\r\n\r\n"


def chunked(pieces: Iterable[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@dataclass
class Message:
    """A request or a response as it came; `head` byte for byte, `body` without its framing."""

    head: bytes
    body: bytes = b""
    trailers: bytes = b""  # lines, each with its CRLF

    @property
    def start(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def fields(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        pairs = (line.partition(":") for line in lines)
        return [(name.lower(), value.strip()) for name, _, value in pairs]

    @property
    def method(self) -> str:
        return self.start.split(" ")[0]

    @property
    def path(self) -> str:
        return self.start.split(" ")[1]

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])

    def values(self, name: str) -> list[str]:
        return [value for known, value in self.fields if known == name]

    def header(self, name: str) -> str | None:
        values = self.values(name)
        assert len(values) < 2, f"{name} given twice: {values}"
        return values[0] if values else None


# -- sockets ----------------------------------------------------------------------------------


class Peer:
    """One end of a TCP connection: what the test says, byte for byte."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.loop = asyncio.get_running_loop()
        self.unread = bytearray()

    async def send(self, data: bytes) -> None:
        await self.loop.sock_sendall(self.sock, data)

    async def dribble(self, data: bytes) -> None:
        """One byte per segment, the loop running in between."""
        for i in range(len(data)):
            await self.send(data[i : i + 1])
            await asyncio.sleep(0)

    async def recv(self, most: int = 65536) -> bytes:
        """The next bytes; b"" at the end."""
        if self.unread:
            data = bytes(self.unread[:most])
            del self.unread[:most]
            return data
        return await self.loop.sock_recv(self.sock, most)

    async def recv_until(self, mark: bytes) -> bytes:
        """Up to and including the mark; ConnectionError when the end comes first."""
        start = 0
        while (at := self.unread.find(mark, start)) < 0:
            start = max(0, len(self.unread) - len(mark))
            await self._more()
        end = at + len(mark)
        data = bytes(self.unread[:end])
        del self.unread[:end]
        return data

    async def recv_exactly(self, n: int) -> bytes:
        while len(self.unread) < n:
            await self._more()
        data = bytes(self.unread[:n])
        del self.unread[:n]
        return data

    async def recv_all(self) -> bytes:
        """Everything up to the end, which may be a reset."""
        while True:
            try:
                data = await self.loop.sock_recv(self.sock, 65536)
            except ConnectionError:
                data = b""
            if not data:
                rest = bytes(self.unread)
                self.unread.clear()
                return rest
            self.unread += data

    async def is_closed(self) -> bool:
        """Wait for the next byte or the end; True when it is the end."""
        try:
            return await self.recv(1) == b""
        except ConnectionError:
            return True

    async def read_response(self, method: str = "GET") -> Message:
        found = Message(await self.recv_until(b"\r\n\r\n"))
        if method != "HEAD" and found.status not in (204, 304) and found.status >= 200:
            found.body = await self.read_body(found, is_request=False)
        return found

    async def read_request(self) -> Message | None:
        """None when the connection ended between two requests."""
        found = await self.read_request_head()
        if found is not None:
            found.body = await self.read_body(found, is_request=True)
        return found

    async def read_request_head(self) -> Message | None:
        """None when the connection ended before it."""
        if not self.unread:
            try:
                self.unread += await self.loop.sock_recv(self.sock, 65536)
            except ConnectionError:
                return None
            if not self.unread:
                return None
        return Message(await self.recv_until(b"\r\n\r\n"))

    async def next_request(self) -> Message:
        message = await self.read_request()
        if message is None:
            raise ConnectionError("closed before a request")
        return message

    async def get(self, path: str = "/", *fields: str, host: str = "web") -> Message:
        await self.send(request("GET", path, *fields, host=host))
        return await self.read_response()

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def vanish(self) -> None:
        """Close without FIN or RST, as a machine without power; needs CAP_NET_ADMIN."""
        self.sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        self.sock.close()

    async def _more(self) -> None:
        data = await self.loop.sock_recv(self.sock, 65536)
        if not data:
            raise ConnectionError(f"closed after {bytes(self.unread[-200:])!r}")
        self.unread += data

    async def read_body(self, message: Message, is_request: bool) -> bytes:
        coding = message.header("transfer-encoding")
        length = message.header("content-length")
        assert coding is None or length is None
        if coding is not None:
            assert coding == "chunked"
            pieces = []
            while size := int(await self.recv_until(b"\r\n"), 16):
                pieces.append(await self.recv_exactly(size))
                assert await self.recv_exactly(2) == b"\r\n"
            while (line := await self.recv_until(b"\r\n")) != b"\r\n":
                message.trailers += line
            return b"".join(pieces)
        if length is not None:
            return await self.recv_exactly(int(length))
        return b"" if is_request else await self.recv_all()


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


async def connect(
    port: int, address: str = LOCALHOST, *, rcvbuf: int = 0, source: str = ""
) -> Peer:
    sock = socket.socket(family_of(address))
    if source:
        sock.bind((source, 0))
    if rcvbuf:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (address, port))
    return Peer(sock)


def upstream_socket(port: int) -> socket.socket:
    """A duplicate of the one socket of this process that is connected to the port."""
    for entry in list(Path("/proc/self/fd").iterdir()):
        try:
            sock = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError:
            continue
        try:
            if sock.family == socket.AF_INET and sock.getpeername()[1] == port:
                return sock
        except OSError:
            pass
        sock.close()
    raise AssertionError("no such socket")


Script = Callable[[Peer, "Upstream"], Awaitable[None]]


async def answer(peer: Peer, up: Upstream) -> None:
    """Answer every request with the upstream's name, for as long as the connection stays."""
    while (message := await peer.read_request()) is not None:
        up.requests.append(message)
        await peer.send(response(up.name.encode()))


def replies(*answers: bytes) -> Script:
    """One of the answers per request on a connection, then close."""

    async def script(peer: Peer, up: Upstream) -> None:
        for data in answers:
            message = await peer.read_request()
            if message is None:
                return
            up.requests.append(message)
            await peer.send(data)

    return script


@dataclass
class Upstream:
    """A server whose connections each run the script; a connection closes when its script ends."""

    script: Script = answer
    name: str = "upstream"
    rcvbuf: int = 0
    address: str = LOCALHOST
    port: int = 0
    requests: list[Message] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    ended: int = 0
    errors: list[BaseException] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def open(self) -> None:
        self.sock = socket.socket(family_of(self.address))
        if self.rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.rcvbuf)
        self.sock.bind((self.address, self.port))
        self.sock.listen(1024)
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]
        self._start(self._accept())

    async def close(self) -> None:
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.sock.close()
        for peer in self.peers:
            peer.close()

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(self.sock)
            peer = Peer(sock)
            self.peers.append(peer)
            self._start(self._run(peer))

    async def _run(self, peer: Peer) -> None:
        try:
            await self.script(peer, self)
        except (ConnectionError, asyncio.CancelledError):
            pass
        except BaseException as error:
            self.errors.append(error)
        finally:
            self.ended += 1
            peer.close()


# -- the snapshot -----------------------------------------------------------------------------


def cluster(
    cluster_id: int,
    *ports: int,
    protocol: str = "http",
    policy: str = "ROUND_ROBIN",
    address: str = LOCALHOST,
    unready: Iterable[int] = (),
    weights: dict[int, int] | None = None,
    connect_timeout_ms: int = 5000,
    idle_timeout_ms: int = 3_600_000,
) -> ClusterData:
    """A cluster of endpoints on loopback, given by port; slots are the proxy's to fill in."""
    down = set(unready)
    balance: LoadBalancerData = {"policy": policy}  # type: ignore[typeddict-item]
    return {
        "id": cluster_id,
        "name": f"outbound|80||c{cluster_id}.default.svc.cluster.local",
        "protocol": protocol,  # type: ignore[typeddict-item]
        "lb": balance,
        "connect_timeout_ms": connect_timeout_ms,
        "idle_timeout_ms": idle_timeout_ms,
        "endpoints": [
            {
                "address": address,
                "port": port,
                "slot": -1,
                "weight": (weights or {}).get(port, 1),
                "healthy": port not in down,
                "name": f"default/p{port}",
                "labels": {},
            }
            for port in ports
        ],
    }


def route(
    *arms: tuple[int, int],
    prefix: str = "",
    timeout_ms: int = 0,
    name: str = "default",
    hash_policies: Iterable[HashPolicyData] = (),
    slot: int = 0,
) -> RouteData:
    """A route to (cluster id, weight) arms, (0, 1) when none is given."""
    chosen = list(arms) or [(0, 1)]
    return {
        "name": name,
        "slot": slot,
        "virtual_service": "",
        "rule": -1,
        "conditions": [("uri", "", "prefix", prefix, False, False)] if prefix else [],
        "clusters": chosen,
        "cluster_names": [f"c{cluster_id}" for cluster_id, _ in chosen],
        "timeout_ms": timeout_ms,
        "hash_policies": list(hash_policies),
    }


class Proxy:
    """One Engine with an HTTP listener (by Host, any host) and a TCP listener to `tcp_cluster`."""

    def __init__(
        self,
        access_log: str = "",
        options: dict[str, Any] | None = None,
        address: str = LOCALHOST,
        loop: Any = None,
        workers: int = 1,
    ) -> None:
        self.board = Scoreboard(workers)
        self.slots: dict[tuple[int, int], int] = {}
        self.generation = 0
        self.log_fd = os.memfd_create("access-log") if access_log else -1
        self.engine = Engine(
            loop or asyncio.get_running_loop(),
            self.board,
            1,
            {
                "access_log_fd": self.log_fd,
                "access_log_format": access_log or "text",
                **(options or {}),
            },
        )
        self.listeners: list[socket.socket] = []
        for listener_id in (HTTP_LISTENER, TCP_LISTENER):
            sock = socket.socket(family_of(address))
            sock.bind((address, 0))
            sock.listen(1024)
            sock.setblocking(False)
            self.listeners.append(sock)
            self.engine.listen(listener_id, sock.fileno())
        self.options = options or {}
        self.others: list[Engine] = []
        self.ports = [self.port]
        for worker in range(2, workers + 1):
            self._add_worker(worker)

    @property
    def port(self) -> int:
        port: int = self.listeners[HTTP_LISTENER].getsockname()[1]
        return port

    @property
    def tcp_port(self) -> int:
        port: int = self.listeners[TCP_LISTENER].getsockname()[1]
        return port

    def apply(
        self,
        *clusters: ClusterData,
        routes: Iterable[RouteData] | None = None,
        removed: Iterable[int] = (),
        tcp_cluster: int | None = None,
        tcp_clusters: list[tuple[int, int]] | None = None,
        domain: str = "*",
        full: bool = False,
    ) -> None:
        """Send a delta, or with `full` a whole snapshot, as the control process does."""
        self.generation += 1
        changed: dict[int, ClusterData | None] = {gone: None for gone in removed}
        for data in clusters:
            changed[data["id"]] = data
            for endpoint in data["endpoints"]:
                key = (data["id"], endpoint["port"])
                endpoint["slot"] = self.slots.setdefault(key, len(self.slots))
        update: SnapshotData = {
            "generation": self.generation,
            "full": full,
            "clusters": changed,
            "virtual_hosts": {},
            "domains": None,
            "listeners": None,
        }
        if routes is not None:
            update["virtual_hosts"] = {0: {"id": 0, "name": "web:80", "routes": list(routes)}}
        if full:
            update["domains"] = [{"domain": domain, "ports": {}, "default": 0}]
        if tcp_cluster is not None or full:
            target = -1 if tcp_cluster is None else tcp_cluster
            update["listeners"] = [
                {"id": HTTP_LISTENER, "protocol": "http", "virtual_host": -1, "cluster": -1},
                {"id": TCP_LISTENER, "protocol": "tcp", "virtual_host": -1, "cluster": target},
            ]
        if tcp_clusters is not None:
            update["listeners"] = [
                {"id": HTTP_LISTENER, "protocol": "http", "virtual_host": -1, "cluster": -1},
                {
                    "id": TCP_LISTENER,
                    "protocol": "tcp",
                    "virtual_host": -1,
                    "cluster": -1,
                    "clusters": tcp_clusters,
                    "slot": 9,
                },
            ]
        for engine in (self.engine, *self.others):
            engine.apply(update)

    def _add_worker(self, worker: int) -> None:
        """Another engine on the same scoreboard, in the same loop; it listens for itself."""
        engine = Engine(asyncio.get_running_loop(), self.board, worker, self.options)
        sock = socket.create_server((LOCALHOST, 0), backlog=1024)
        sock.setblocking(False)
        engine.listen(HTTP_LISTENER, sock.fileno())
        self.others.append(engine)
        self.listeners.append(sock)
        self.ports.append(sock.getsockname()[1])

    def count(self, what: str) -> int:
        return self.engine.counts()[what]

    def codes(self, cluster_id: int = 0) -> dict[tuple[int, str], int]:
        return {(s, flags): n for s, flags, n in self.board.cluster_codes(cluster_id)}

    def endpoint(self, port: int, cluster_id: int = 0) -> dict[str, int]:
        return self.board.endpoint(self.slots[cluster_id, port])

    def log_lines(self) -> list[str]:
        self.engine.flush_log()
        size = os.fstat(self.log_fd).st_size
        return os.pread(self.log_fd, size, 0).decode("ascii").splitlines()

    def gauges(self) -> dict[str, int]:
        """Every gauge of the scoreboard that is not zero."""
        process = self.board.process()
        named = {name: process[name] for name in ("downstream_cx_active", "downstream_rq_active")}
        for cluster_id in {key[0] for key in self.slots} | {0}:
            values = self.board.cluster(cluster_id)
            named |= {f"cluster {cluster_id} {n}": values[n] for n in ("rq_active", "cx_active")}
        for key, slot in self.slots.items():
            values = self.board.endpoint(slot)
            named |= {f"endpoint {key} {n}": values[n] for n in ("rq_active", "cx_active")}
        return {name: value for name, value in named.items() if value}

    def close(self) -> None:
        """End the engine and prove that nothing is left."""
        for engine in (*self.others, self.engine):
            assert engine.check() == []
            engine.close()
            counts = engine.counts()
            left = {name: counts[name] for name in ("downstream", "upstream", "streams")}
            assert left == {"downstream": 0, "upstream": 0, "streams": 0}
        assert self.gauges() == {}
        for sock in self.listeners:
            sock.close()
        if self.log_fd >= 0:
            os.close(self.log_fd)
        self.board.close()


async def settle(proxy: Proxy, moved: Sequence[int] = (0,)) -> None:
    """Return when neither the sender nor the engine has moved for many rounds of the loop."""
    state = (-1, -1)
    while state != (state := (moved[0], proxy.count("events"))):
        for _ in range(300):
            await asyncio.sleep(0)


class Rig:
    """What one test starts, in its own loop."""

    def __init__(self, loop_kind: str) -> None:
        self.loop_kind = loop_kind
        self.proxies: list[Proxy] = []
        self.upstreams: list[Upstream] = []
        self.clients: list[Peer] = []
        self.sockets: list[socket.socket] = []
        self.errors: list[dict[str, Any]] = []

    def run(self, test: Callable[..., Awaitable[None]], kwargs: dict[str, Any]) -> None:
        factory = uvloop.new_event_loop if self.loop_kind == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(self._run(test, kwargs))

    def proxy(
        self,
        *ports: int,
        clusters: Iterable[ClusterData] | None = None,
        routes: Iterable[RouteData] | None = None,
        tcp_cluster: int = -1,
        access_log: str = "",
        domain: str = "*",
        options: dict[str, Any] | None = None,
        listen: str = LOCALHOST,
        workers: int = 1,
        **settings: Any,
    ) -> Proxy:
        """A proxy of one cluster on the ports, or of the clusters and routes given."""
        made = Proxy(access_log, options, listen, workers=workers)
        self.proxies.append(made)
        wanted = [cluster(0, *ports, **settings)] if clusters is None else list(clusters)
        made.apply(
            *wanted,
            routes=[route()] if routes is None else routes,
            tcp_cluster=tcp_cluster,
            domain=domain,
            full=True,
        )
        return made

    def tcp_proxy(self, *ports: int, **settings: Any) -> Proxy:
        return self.proxy(*ports, protocol="tcp", tcp_cluster=0, routes=[], **settings)

    def upstream(self, script: Script = answer, name: str = "upstream", **more: Any) -> Upstream:
        made = Upstream(script, name, **more)
        made.open()
        self.upstreams.append(made)
        return made

    async def client(self, port: int, address: str = LOCALHOST, **settings: Any) -> Peer:
        peer = await connect(port, address, **settings)
        self.clients.append(peer)
        return peer

    async def sent(self, *fields: str, **options: object) -> Message:
        """What an upstream gets of a GET with these fields, by a proxy with these options."""
        up = self.upstream()
        client = await self.client(self.proxy(up.port, options=options).port)
        assert (await client.get("/", *fields)).status == 200
        return up.requests[0]

    def refused_port(self) -> int:
        """A port that answers with RST: bound, so that nobody else gets it, and not listening."""
        sock = socket.socket()
        sock.bind((LOCALHOST, 0))
        self.sockets.append(sock)
        return int(sock.getsockname()[1])

    def blackhole_port(self) -> int:
        """A port whose accept queue is full: the kernel drops every further SYN."""
        sock = socket.socket()
        sock.bind((LOCALHOST, 0))
        sock.listen(0)
        self.sockets.append(sock)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(sock.getsockname())
            self.sockets.append(filler)
        return int(sock.getsockname()[1])

    async def _run(self, test: Callable[..., Awaitable[None]], kwargs: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.errors.append(context))
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await test(**kwargs)
                await self._prove_idle()
        finally:
            await self._close()
        assert self.errors == []
        assert [error for up in self.upstreams for error in up.errors] == []

    async def _prove_idle(self) -> None:
        """With its clients gone, a proxy has no downstream connection and no stream."""
        for peer in self.clients:
            peer.close()
        for proxy in self.proxies:
            if not proxy.engine.is_closed:
                await until(lambda p=proxy: p.count("downstream") == p.count("streams") == 0)

    async def _close(self) -> None:
        for peer in self.clients:
            peer.close()
        try:
            for proxy in self.proxies:
                proxy.close()
        finally:
            for up in self.upstreams:
                await up.close()
            for sock in self.sockets:
                sock.close()
