"""A DNS server on loopback, UDP and TCP, whose records a test changes while it runs."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from support.wait import TIMEOUT_S


@dataclass(frozen=True)
class Record:
    """What the server says about a name."""

    addresses: tuple[str, ...] = ()
    ttl_s: int = 1
    rcode: str = "NOERROR"
    is_silent: bool = False
    is_truncated: bool = False  # over UDP: the client has to come back over TCP
    cname: str = ""
    fails: str = ""  # "A" or "AAAA": SERVFAIL for that kind alone


@dataclass(frozen=True)
class Query:
    name: str
    kind: str  # "A", "AAAA"
    transport: str  # "udp", "tcp"


class DnsServer:
    """Names without a record get NXDOMAIN."""

    def __init__(self, port: int = 0) -> None:
        self.records: dict[str, Record] = {}
        self.queries: list[Query] = []
        self._changed = threading.Condition()
        self._udp, self._tcp = _bind(port)
        self.port: int = self._udp.getsockname()[1]
        self._stop_read, self._stop_write = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> DnsServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop_write.close()
        self._thread.join(TIMEOUT_S)
        for sock in (self._udp, self._tcp, self._stop_read):
            sock.close()

    def set(self, name: str, *addresses: str, **settings: object) -> None:
        self.records[name] = Record(addresses, **settings)  # type: ignore[arg-type]

    def count(self, name: str) -> int:
        return sum(query.name == name for query in self.queries)

    def wait_for_more(self, name: str, queries: int = 1) -> None:
        """Return once that many queries more were asked about a name."""
        wanted = self.count(name) + queries
        self._wait(lambda: self.count(name) >= wanted)

    def _wait(self, is_true: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(is_true, TIMEOUT_S), f"queries: {self.queries}"

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for sock in (self._udp, self._tcp, self._stop_read):
                selector.register(sock, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._stop_read:
                        return
                    if key.fileobj is self._udp:
                        wire, peer = self._udp.recvfrom(4096)
                        answer = self._answer(wire, "udp")
                        if answer is not None:
                            self._udp.sendto(answer, peer)
                    else:
                        self._serve_tcp(self._tcp.accept()[0])

    def _serve_tcp(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(TIMEOUT_S)
            (length,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
            answer = self._answer(connection.recv(length, socket.MSG_WAITALL), "tcp")
            if answer is not None:
                connection.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, wire: bytes, transport: str) -> bytes | None:
        query = dns.message.from_wire(wire)
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        record = self.records.get(name, Record(rcode="NXDOMAIN"))
        with self._changed:
            self.queries.append(Query(name, kind, transport))
            self._changed.notify_all()
        if record.is_silent:
            return None
        response = dns.message.make_response(query)
        rcode = "SERVFAIL" if record.fails == kind else record.rcode
        response.set_rcode(dns.rcode.from_text(rcode))
        owner = question.name
        if record.cname:
            alias = dns.rrset.from_text(owner, record.ttl_s, "IN", "CNAME", record.cname + ".")
            response.answer.append(alias)
            owner = alias[0].target
        addresses = [item for item in record.addresses if (":" in item) is (kind == "AAAA")]
        if rcode != "NOERROR":
            addresses = []
        if record.is_truncated and transport == "udp":
            response.flags |= dns.flags.TC
        else:  # a set for each, as the order within a set is not kept
            for address in addresses:
                found = dns.rrset.from_text(owner, record.ttl_s, "IN", kind, address)
                response.answer.append(found)
        return response.to_wire(max_size=65_535)


def _bind(port: int) -> tuple[socket.socket, socket.socket]:
    """One port for both, as clients expect."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            udp.bind(("127.0.0.1", port))
            tcp.bind(udp.getsockname())
            tcp.listen()
        except OSError:
            udp.close()
            tcp.close()
            if time.monotonic() > deadline:
                raise
        else:
            return udp, tcp
