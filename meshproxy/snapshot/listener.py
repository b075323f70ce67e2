"""Listeners: by Host header, or bound to one service port."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from meshproxy.config.codes import CODES
from meshproxy.config.host import resolve
from meshproxy.config.problem import Problem, hint
from meshproxy.config.service import ServicePort

from .domain import HTTP_PORT
from .mesh_service import MeshService
from .model import ListenerData
from .protocol import port_protocol
from .registry import Registry
from .tcp_route import TcpRouteCompiler

COMMAND_LINE = "<command line>"
_NONE = -1


class Binding(Protocol):
    """One `--listen`. Its id is its index."""

    @property
    def service(self) -> str: ...  # "redis.cache", "" = by Host

    @property
    def service_port(self) -> int: ...  # 0 = port 80, else the only port

    @property
    def force_tcp(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Connection:
    """The binding of a connection to a service port that somebody asks about."""

    service: str
    service_port: int
    force_tcp: bool = True


class ListenerCompiler:
    """Resolves bindings; `virtual_host` looks ids up by name."""

    def __init__(
        self,
        bindings: Sequence[Binding],
        registry: Registry,
        tcp: TcpRouteCompiler,
        virtual_host: Callable[[str], int | None],
    ) -> None:
        self._bindings = tuple(bindings)
        self._registry = registry
        self._tcp = tcp
        self._virtual_host = virtual_host
        self._held: set[Hashable] = set()

    def compile(self) -> list[ListenerData]:
        held: set[Hashable] = set()
        made = [self._listener(index, item, held) for index, item in enumerate(self._bindings)]
        self._tcp.release(self._held - held)
        self._held = held
        return made

    def ask(self, binding: Binding) -> ListenerData | None:
        """Give what happens to a connection to a service port, whether or not there is a listener
        for it; None when there is no such port."""
        service = self._service(binding)
        port = _port_of(service, binding.service_port) if service is not None else None
        if service is None or port is None:
            return None
        return self._tcp.compile(_NONE, service, port, None)

    def problems(self) -> Iterator[Problem]:
        """Say which bindings name no service port."""
        for binding in self._bindings:
            if not binding.service:
                continue
            service = self._service(binding)
            if service is None:
                near = hint(self._host(binding).split(".")[0], self._short_names())
                yield _problem(binding, "MP201", f'no Service "{self._host(binding)}"{near}')
            elif _port_of(service, binding.service_port) is None:
                known = ", ".join(str(port.port) for port in service.ports) or "none"
                found = binding.service_port or "none"
                yield _problem(binding, "MP204", f"expected a port of {known}, found {found}")

    def _listener(self, index: int, binding: Binding, held: set[Hashable]) -> ListenerData:
        if not binding.service:
            return {"id": index, "protocol": "http", "virtual_host": _NONE, "cluster": _NONE}
        service = self._service(binding)
        port = _port_of(service, binding.service_port) if service is not None else None
        host = self._host(binding)
        if port is not None and port_protocol(port) == "http" and not binding.force_tcp:
            found = self._virtual_host(f"{host}:{port.port}")
            if found is not None:
                return {"id": index, "protocol": "http", "virtual_host": found, "cluster": _NONE}
        if service is not None and port is not None:
            return self._tcp.compile(index, service, port, held)
        return {"id": index, "protocol": "tcp", "virtual_host": _NONE, "cluster": _NONE}

    def _host(self, binding: Binding) -> str:
        """`redis`, `redis.cache` and `redis.cache.svc` stand for services, as in DNS."""
        scope = self._registry.scope
        name = binding.service.lower().removesuffix(".")
        candidates = (
            resolve(name, scope.namespace, scope.cluster_domain),
            f"{name}.svc.{scope.cluster_domain}",
            f"{name}.{scope.cluster_domain}",
        )
        known = (host for host in candidates if host in self._registry.services)
        return next(known, candidates[0])

    def _service(self, binding: Binding) -> MeshService | None:
        """An ExternalName for a known service has the ports and the cluster of that."""
        service = self._registry.services.get(self._host(binding))
        return service and (self._registry.meant(service) or service)

    def _short_names(self) -> list[str]:
        return [host.split(".")[0] for host in self._registry.services]


def _port_of(service: MeshService, number: int) -> ServicePort | None:
    ports = [port for port in service.ports if port_protocol(port) is not None]
    if not number and len(ports) == 1:
        return ports[0]
    wanted = number or HTTP_PORT
    return next((port for port in ports if port.port == wanted), None)


def _problem(binding: Binding, code: str, message: str) -> Problem:
    name = f"--listen {binding}"
    return Problem(COMMAND_LINE, 0, 0, name, "", CODES[code].severity, code, message)
