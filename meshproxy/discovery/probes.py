"""What an active health check asks of a pod: its containers' readinessProbes, made concrete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from meshproxy.config.pod import Container
from meshproxy.config.probe import HttpGetAction, Probe, TcpSocketAction
from meshproxy.config.problem import Finding, quote

from .endpoint import canonical_address

# Kubernetes' defaults
PERIOD_S, TIMEOUT_S, SUCCESSES, FAILURES = 10, 1, 1, 3


@dataclass(frozen=True, slots=True)
class Target:
    """One probe of one pod. A pod is failing when one of its targets is."""

    identity: str  # Endpoint.identity
    container: int  # its index
    address: str
    port: int
    request: bytes  # a whole HTTP request; b"" = a connection is enough
    initial_delay_s: float
    period_s: float
    timeout_s: float
    successes: int  # in a row, until it is ready again
    failures: int  # in a row, until it is not

    @property
    def key(self) -> tuple[str, int, int]:
        """What its state is kept under when settings change."""
        return self.address, self.port, self.container

    @property
    def what(self) -> str:
        """The probe in a word or two: "GET /ready", "TCP connect"."""
        line = self.request.partition(b" HTTP/")[0].decode("latin-1")
        return line or "TCP connect"


def targets_of(identity: str, address: str, containers: Sequence[Container]) -> Iterator[Target]:
    """Give the probes of a pod that can be carried out."""
    for index, container in enumerate(containers):
        probe = container.readiness_probe
        action = _action(probe)
        if probe is None or action is None or obstacle(container):
            continue
        port = _port(action.port, container)
        if port is None:
            continue
        at = canonical_address(action.host) or address
        yield Target(
            identity=identity,
            container=index,
            address=at,
            port=port,
            request=_request(action, at, port) if isinstance(action, HttpGetAction) else b"",
            initial_delay_s=probe.initial_delay_seconds,
            period_s=probe.period_seconds or PERIOD_S,
            timeout_s=probe.timeout_seconds or TIMEOUT_S,
            successes=probe.success_threshold or SUCCESSES,
            failures=probe.failure_threshold or FAILURES,
        )


def obstacle(container: Container) -> str:
    """Say why a container's probe is not carried out; "" when it is."""
    probe = container.readiness_probe
    action = _action(probe)
    if probe is None:
        return ""
    if action is None:
        return f"{'exec' if probe.exec_ is not None else 'grpc'} probes"
    if isinstance(action, HttpGetAction) and action.scheme == "HTTPS":
        return "probes by HTTPS"
    if action.host and canonical_address(action.host) is None:
        return "probes of a host name"
    return ""


def probe_findings(containers: Sequence[Container], *path: str | int) -> Iterator[Finding]:
    """Say which probes are not carried out; `path` leads to `containers`."""
    for index, container in enumerate(containers):
        where = (*path, index, "readinessProbe")
        why = obstacle(container)
        if why:
            yield Finding(
                "MP330", where, f"{why} are not carried out: readiness is what the manifests say"
            )
            continue
        action = _action(container.readiness_probe)
        if action is not None and _port(action.port, container) is None:
            kind = "httpGet" if isinstance(action, HttpGetAction) else "tcpSocket"
            yield Finding(
                "MP208",
                (*where, kind, "port"),
                f"expected the name of a container port, found {quote(str(action.port))}:"
                " the probe is not carried out",
            )


def _action(probe: Probe | None) -> HttpGetAction | TcpSocketAction | None:
    return (probe.http_get or probe.tcp_socket) if probe is not None else None


def _port(port: int | str, container: Container) -> int | None:
    if isinstance(port, int):
        return port
    numbers = [item.container_port for item in container.ports if item.name == port]
    if numbers:
        return numbers[0]
    return int(port) if port.isdecimal() and 0 < int(port) < 65536 else None  # as the kubelet


def _request(action: HttpGetAction, address: str, port: int) -> bytes:
    """As the kubelet sends it, but with our name."""
    host = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    headers = {"host": host, "user-agent": "meshproxy-probe", "accept": "*/*"}
    given = [(item.name, item.value) for item in action.http_headers]
    for name, _ in given:
        headers.pop(name.lower(), None)
    lines = [f"{name}: {value}\r\n" for name, value in (*headers.items(), *given)]
    return f"GET {action.path} HTTP/1.1\r\n{''.join(lines)}connection: close\r\n\r\n".encode()
