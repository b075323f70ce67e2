"""Where compiled things were written: the object and line behind a route or a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from meshproxy.config.resource import Key, Resource
from meshproxy.config.store import ConfigSet

from .model import ClusterData, RouteData
from .registry import Registry


@dataclass(frozen=True, slots=True)
class Origin:
    """An object and the position of the part that counts."""

    key: Key
    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class OriginIndex:
    """Looks origins up in one config set; positions are those of its files as they were read."""

    def __init__(self, config: ConfigSet, registry: Registry) -> None:
        self._config = config
        self._registry = registry

    def route(self, route: RouteData) -> Origin | None:
        """Give the rule behind a route; None for the default route."""
        namespace, slash, name = route["virtual_service"].partition("/")
        if not slash:
            return None
        resource = self._config.resources.get(Key("VirtualService", namespace, name))
        if resource is None:
            return None
        return _origin(resource, ("spec", "http", route["rule"]))

    def cluster(self, cluster: ClusterData) -> list[Origin]:
        """Give the DestinationRules whose policy and subsets a cluster has, first one first."""
        host = cluster["name"].rpartition("|")[2]
        service = self._registry.services.get(host)
        if service is None:
            return []
        policy = self._registry.policies.lookup(host, service.key.namespace)
        found = (self._config.resources.get(key) for key in policy.keys)
        return [_origin(rule, ("spec",)) for rule in found if rule is not None]

    def service(self, cluster: ClusterData) -> Origin | None:
        """Give the Service of a cluster."""
        host = cluster["name"].rpartition("|")[2]
        service = self._registry.services.get(host)
        return _origin(self._config.resources[service.key], ()) if service is not None else None


def _origin(resource: Resource, path: tuple[str | int, ...]) -> Origin:
    file, line, column = resource.locate(path)
    return Origin(resource.key, file, line, column)
