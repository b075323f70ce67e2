"""Endpoints by DNS name, against a real DNS server whose answers change."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import manifests
from support.dns_server import DnsServer
from support.ipv6 import needs_ipv6
from support.proxy import MeshproxyRun, ProxyProcess
from support.raw_client import RawClient, Response
from support.upstream import Upstream
from support.wait import TIMEOUT_S
from support.wait import until as wait_until

API = "api.test"
Upstreams = Callable[..., Upstream]


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def pair(upstreams: Upstreams) -> tuple[Upstream, Upstream]:
    """Servers on one port of 127.0.0.1 and 127.0.0.2."""
    a = upstreams("a")
    return a, upstreams("b", host="127.0.0.2", port=a.port)


def until(proxy: ProxyProcess, is_right: Callable[[Response], bool], host: str = API) -> Response:
    """Ask until the answer is right."""
    answers: list[Response] = []

    def ask() -> bool:
        with proxy.client() as client:
            answers.append(client.get(host))
        return is_right(answers[-1])

    wait_until(ask, f"the right answer of {host}")
    return answers[-1]


class Traffic:
    """One client after another keeps asking, each on its own connection."""

    def __init__(self, port: int) -> None:
        self.statuses: list[int] = []
        self._port = port
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self._thread.join(TIMEOUT_S)

    def _run(self) -> None:
        while not self._is_over.is_set():
            with RawClient(self._port) as client:
                for _ in range(10):
                    self.statuses.append(client.get(API).status)


def test_dns_address_that_changes_moves_traffic_without_an_error(
    meshproxy_run: MeshproxyRun, server: DnsServer, pair: tuple[Upstream, Upstream], tmp_path: Path
) -> None:
    server.set(API, "127.0.0.1", ttl_s=1)
    path = manifests.write(tmp_path, manifests.service_entry(API, pair[0].port))
    proxy = meshproxy_run(path, "--resolver", server.address, "--workers=2")
    until(proxy, lambda answer: answer.body == b"a")
    with Traffic(proxy.port) as traffic:
        for address, name in (("127.0.0.2", b"b"), ("127.0.0.1", b"a"), ("127.0.0.2", b"b")):
            server.set(API, address, ttl_s=1)
            until(proxy, lambda answer, name=name: answer.body == name)  # type: ignore[misc]
    assert set(traffic.statuses) == {200}


def test_dns_failure_keeps_the_last_answer_and_is_told(
    meshproxy_run: MeshproxyRun, server: DnsServer, pair: tuple[Upstream, Upstream], tmp_path: Path
) -> None:
    server.set(API, "127.0.0.1", ttl_s=0)
    path = manifests.write(tmp_path, manifests.service_entry(API, pair[0].port))
    proxy = meshproxy_run(path, "--resolver", server.address)
    until(proxy, lambda answer: answer.status == 200)
    server.set(API, rcode="SERVFAIL")
    proxy.wait_line(
        'warning MP408 ServiceEntry default/api.test spec.hosts.0.: "api.test": the DNS server'
        " answered SERVFAIL; its last addresses stay: 127.0.0.1"
    )
    server.set(API, rcode="NXDOMAIN")
    proxy.wait_line("MP408 .*there is no such name; its last addresses stay: 127.0.0.1")
    with proxy.client() as client:
        assert client.get(API).status == 200
    server.set(API, "127.0.0.2")
    proxy.wait_line("api.test resolves again: 127.0.0.2")
    until(proxy, lambda answer: answer.body == b"b")


def test_dns_name_that_does_not_exist_yet_is_served_once_it_does(
    meshproxy_run: MeshproxyRun, server: DnsServer, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service_entry(API, upstream.port))
    proxy = meshproxy_run(path, "--resolver", server.address, "--access-log=-")
    proxy.wait_line("MP408 .*there is no such name; it has no endpoints")
    with proxy.client() as client:
        assert client.get(API).status == 503
    server.set(API, "127.0.0.1")
    until(proxy, lambda answer: answer.status == 200)


def test_dns_server_that_never_answers_delays_neither_start_nor_others(
    meshproxy_run: MeshproxyRun, server: DnsServer, upstream: Upstream, tmp_path: Path
) -> None:
    server.set(API, is_silent=True)
    text = manifests.service("web", upstream.port) + "---\n"
    path = manifests.write(tmp_path, text + manifests.service_entry(API, upstream.port))
    proxy = meshproxy_run(path, "--resolver", server.address)
    # nothing had been given up or found by then: the start waited for no answer
    assert "MP408" not in proxy.stderr.partition("ready: listening")[0]
    with proxy.client() as client:
        assert client.get("web").status == 200
        assert client.get(API).status == 503
    server.wait_for_more(API)
    server.set(API, "127.0.0.1")
    until(proxy, lambda answer: answer.status == 200)


def test_dns_external_name_and_none_are_looked_up_too(
    meshproxy_run: MeshproxyRun, server: DnsServer, upstream: Upstream, tmp_path: Path
) -> None:
    server.set("real.test", "127.0.0.1")
    server.set("none.test", "127.0.0.1")
    alias = f"""\
apiVersion: v1
kind: Service
metadata: {{name: ext}}
spec:
  type: ExternalName
  externalName: real.test
  ports: [{{name: http, port: 80, targetPort: {upstream.port}}}]
---
"""
    none = manifests.service_entry("none.test", upstream.port, "resolution: NONE")
    proxy = meshproxy_run(manifests.write(tmp_path, alias + none), "--resolver", server.address)
    until(proxy, lambda answer: answer.status == 200, "ext")
    until(proxy, lambda answer: answer.status == 200, "none.test")


@needs_ipv6
def test_dns_ipv6_only_name_is_served(
    meshproxy_run: MeshproxyRun, server: DnsServer, upstreams: Upstreams, tmp_path: Path
) -> None:
    six = upstreams("six", host="::1")
    server.set(API, "::1")
    path = manifests.write(tmp_path, manifests.service_entry(API, six.port))
    proxy = meshproxy_run(path, "--resolver", server.address)
    until(proxy, lambda answer: answer.body == b"six")


def test_dns_edit_follows_the_names_that_are_left(
    meshproxy_run: MeshproxyRun, server: DnsServer, pair: tuple[Upstream, Upstream], tmp_path: Path
) -> None:
    server.set(API, "127.0.0.1")
    server.set("other.test", "127.0.0.2")
    path = manifests.write(tmp_path, manifests.service_entry(API, pair[0].port))
    proxy = meshproxy_run(path, "--resolver", server.address)
    until(proxy, lambda answer: answer.body == b"a")
    more = "resolution: DNS\n  endpoints: [{address: other.test}]"
    manifests.write(tmp_path, manifests.service_entry(API, pair[0].port, more))
    until(proxy, lambda answer: answer.body == b"b")
    server.wait_for_more("other.test")  # whatever was asked before is counted by now
    before = server.count(API)
    server.wait_for_more("other.test", 4)  # two rounds of A and AAAA
    assert server.count(API) == before


def test_dns_upgrade_takes_over_only_with_the_names_known(
    meshproxy_run: MeshproxyRun, server: DnsServer, upstream: Upstream, tmp_path: Path
) -> None:
    server.set(API, "127.0.0.1", ttl_s=300)  # the process that serves will not ask again
    path = manifests.write(tmp_path, manifests.service_entry(API, upstream.port))
    proxy = meshproxy_run(path, "--resolver", server.address)
    until(proxy, lambda answer: answer.status == 200)
    server.set(API, is_silent=True)
    proxy.signal(signal.SIGUSR2)
    pidfd = os.pidfd_open(int(proxy.wait_line(r"pid (\d+) starts")[1]))
    try:
        server.wait_for_more(API, 2)
        server.set(API, "127.0.0.1")
        assert proxy.process.wait(TIMEOUT_S) == 0
        with RawClient(proxy.port) as client:
            assert client.get(API).status == 200
    finally:
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        os.close(pidfd)
