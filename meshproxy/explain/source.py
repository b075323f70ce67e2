"""Where a value comes from: the object, field and line that say so, or whose default it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from meshproxy.config.destination_rule import DestinationRule
from meshproxy.config.places import Path, format_path
from meshproxy.config.resource import Key, Resource
from meshproxy.config.store import ConfigSet
from meshproxy.config.virtual_service import HttpRoute, VirtualService
from meshproxy.snapshot.model import ClusterData, ListenerData, RouteData
from meshproxy.snapshot.origin import OriginIndex
from meshproxy.snapshot.policy import DestinationPolicy


class Manifests(Protocol):
    """What a snapshot was compiled from; `snapshot.build.Builder` is one."""

    @property
    def config(self) -> ConfigSet: ...
    @property
    def origins(self) -> OriginIndex: ...
    def connection(self, service: str, port: int) -> ListenerData | None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """Either an object's field and its place, or the owner of a default."""

    object: str | None = None  # "VirtualService default/reviews"
    path: str | None = None  # "spec.http[1].timeout"
    at: str | None = None  # "mesh.yaml:12:5"
    default: str | None = None  # "Istio"

    def __str__(self) -> str:
        if self.default is not None:
            return f"default of {self.default}"
        return f"{self.at} {self.object}"


def default_of(owner: str) -> Source:
    return Source(default=owner)


def field_source(resource: Resource, path: Path) -> Source:
    file, line, column = resource.locate(path)
    return Source(str(resource.key), format_path(path), f"{file}:{line}:{column}")


class Sources:
    """Looks up, in the manifests, what compiled data no longer says."""

    def __init__(self, manifests: Manifests) -> None:
        self._manifests = manifests

    def rule(self, route: RouteData) -> Source | None:
        """Give the place of a rule; None for the default route."""
        origin = self._manifests.origins.route(route)
        if origin is None:
            return None
        return Source(str(origin.key), f"spec.http[{route['rule']}]", str(origin))

    def connection(self, service: str, port: int) -> ListenerData | None:
        return self._manifests.connection(service, port)

    def tcp_rule(self, listener: ListenerData) -> Source | None:
        """Give the place of the tcp rule that connections follow; None without one."""
        resource = self._virtual_service(listener.get("virtual_service", ""))
        if resource is None:
            return None
        return field_source(resource, ("spec", "tcp", listener["rule"]))

    def rules(self, virtual_service: str) -> list[HttpRoute]:
        """Give the rules of a VirtualService "namespace/name" as written."""
        resource = self._virtual_service(virtual_service)
        return _http_of(resource) if resource is not None else []

    def rule_at(self, virtual_service: str, index: int) -> Source | None:
        resource = self._virtual_service(virtual_service)
        return field_source(resource, ("spec", "http", index)) if resource is not None else None

    def rule_field(self, route: RouteData, *names: str) -> Source | None:
        """Give the first of these fields (Python names) that the rule of a route has set, or the
        rule that delegates to it."""
        for resource, index in self._rules_behind(route):
            given = _http_of(resource)[index].model_fields_set
            for name in names:
                if name in given:
                    return field_source(resource, ("spec", "http", index, to_camel(name)))
        return None

    def policy_field(self, cluster: ClusterData, block: str, *names: str) -> Source | None:
        """Give where the policy block in force for a cluster has set a field, such as
        ("connection_pool", "tcp", "connect_timeout")."""
        rules = self._destination_rules(cluster)
        _, port, subset, _ = cluster["name"].split("|", 3)
        policy = DestinationPolicy(rules).resolve(int(port), subset)
        part: Any = getattr(policy, block, None)
        path = next(iter(_paths_of(rules, part)), None) if part is not None else None
        if path is None:
            return None
        resource, place = path
        for name in names:
            if name not in part.model_fields_set:
                return None
            part = getattr(part, name)
            place = (*place, to_camel(name))
        return field_source(resource, place)

    def resource(self, kind: str, qualified_name: str) -> Resource | None:
        namespace, _, name = qualified_name.partition("/")
        return self._manifests.config.resources.get(Key(kind, namespace, name))

    def _rules_behind(self, route: RouteData) -> Iterator[tuple[Resource, int]]:
        """Give the rule of a route; for one of a delegate also those that it stands in for."""
        resource = self._virtual_service(route["virtual_service"])
        model = resource.model if resource is not None else None
        if resource is None or not isinstance(model, VirtualService):
            return
        if 0 <= route["rule"] < len(model.spec.http):
            yield resource, route["rule"]
        if not model.spec.is_delegate:
            return
        for root in self._manifests.config.resources.values():
            for index, rule in enumerate(_http_of(root)):
                target = rule.delegate
                if target is not None and resource.key == Key(
                    "VirtualService", target.namespace or root.key.namespace, target.name
                ):
                    yield root, index

    def _virtual_service(self, qualified_name: str) -> Resource | None:
        return self.resource("VirtualService", qualified_name)

    def _destination_rules(self, cluster: ClusterData) -> list[Resource]:
        resources = self._manifests.config.resources
        origins = self._manifests.origins.cluster(cluster)
        found = (resources.get(origin.key) for origin in origins)
        return [
            item for item in found if item is not None and isinstance(item.model, DestinationRule)
        ]


def _http_of(resource: Resource) -> list[HttpRoute]:
    return resource.model.spec.http if isinstance(resource.model, VirtualService) else []


def _paths_of(rules: list[Resource], part: BaseModel) -> Iterator[tuple[Resource, Path]]:
    """Find the very object that is in force, whatever the rules of inheritance chose it by."""
    for resource in rules:
        for path in _search(resource.model, part, ()):
            yield resource, path


def _search(value: Any, part: BaseModel, path: Path) -> Iterator[Path]:
    if value is part:
        yield path
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _search(getattr(value, name), part, (*path, to_camel(name)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _search(item, part, (*path, index))
