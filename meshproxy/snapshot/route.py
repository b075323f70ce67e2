"""Routes of a virtual host: a VirtualService's rules for one port, or the default route."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from meshproxy.config.checks.virtual_service import is_catch_all
from meshproxy.config.resource import Resource
from meshproxy.config.virtual_service import HttpMatch, HttpRoute, VirtualService
from meshproxy.errors import CapacityError

from .condition import conditions_of
from .destination import NO_CLUSTER, DestinationResolver, Target
from .model import ConditionData, RouteData
from .route_index import MESH
from .slots import Slots

DEFAULT_NAME = "default"
NO_RULE = -1
SHARED_SLOT = 0  # of rules for which no slot is left: their splits are less even, not wrong


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends the requests, for sourceNamespace and sourceLabels."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)


class SlotKeys:
    """The slot keys of one virtual host, equal ones told apart by the order they come in."""

    __slots__ = ("_counts", "keys")

    def __init__(self) -> None:
        self.keys: set[Hashable] = set()
        self._counts: dict[Hashable, int] = {}

    def add(self, content: Hashable) -> Hashable:
        occurrence = self._counts.get(content, 0)
        self._counts[content] = occurrence + 1
        key = (content, occurrence)
        self.keys.add(key)
        return key


class RouteCompiler:
    """Makes RouteData; owns the route slots.

    All match entries of one rule share its slot, so its split is exact over the whole rule. A
    slot follows the rule's content (virtual host, object, destinations), not its index: moving
    a rule keeps its cursor.
    """

    def __init__(self, slots: Slots, resolver: DestinationResolver, caller: Caller) -> None:
        self.shortage: CapacityError | None = None  # some rules share a cursor
        self._slots = slots
        self._resolver = resolver
        self._caller = caller

    def routes(
        self, virtual_host: str, port: int, owner: Resource, held: SlotKeys
    ) -> tuple[list[RouteData], set[str]]:
        """Compile a VirtualService for one virtual host; gives the routes and the hosts they
        go to. Slot keys in use are added to `held`."""
        model = owner.model
        assert isinstance(model, VirtualService)
        routes: list[RouteData] = []
        hosts: set[str] = set()
        for index, rule in enumerate(model.spec.http):
            entries = [item for item in rule.match if self._applies(item, port)]
            if rule.match and not entries:
                continue
            targets, weights = self._split(rule, owner, port)
            hosts.update(target.host for target in targets)
            slot = self._slot(virtual_host, owner, targets, weights, held)
            matches: list[HttpMatch | None] = [*entries] or [None]
            for match in matches:
                routes.append(_route(owner, index, rule, match, slot, targets, weights))
                if match is None or is_catch_all(_without_scope(match)):
                    return routes, hosts
        return routes, hosts

    def default(self, virtual_host: str, host: str, port: int, held: SlotKeys) -> list[RouteData]:
        """Compile the only route of a service port without VirtualService."""
        target = self._resolver.default(host, port)
        slot = self._slot(virtual_host, None, [target], [100], held)
        return [
            {
                "name": DEFAULT_NAME,
                "slot": slot,
                "virtual_service": "",
                "rule": NO_RULE,
                "conditions": [],
                "clusters": [(target.cluster, 100)],
                "cluster_names": [target.name],
                "timeout_ms": 0,
                "hash_policies": target.hash_policies,
            }
        ]

    def _applies(self, match: HttpMatch, port: int) -> bool:
        """Decide what does not depend on the request."""
        if match.port is not None and match.port != port:
            return False
        if match.gateways:
            return MESH in match.gateways
        if match.source_namespace and match.source_namespace != self._caller.namespace:
            return False
        return match.source_labels.items() <= self._caller.labels.items()

    def _split(
        self, rule: HttpRoute, owner: Resource, port: int
    ) -> tuple[list[Target], list[int]]:
        namespace = owner.key.namespace
        entries = rule.route
        if len(entries) == 1:
            return [self._resolver.target(entries[0].destination, namespace, port)], [100]
        entries = [entry for entry in entries if entry.weight]
        targets = [self._resolver.target(item.destination, namespace, port) for item in entries]
        return targets, [entry.weight or 0 for entry in entries]

    def _slot(
        self,
        virtual_host: str,
        owner: Resource | None,
        targets: list[Target],
        weights: list[int],
        held: SlotKeys,
    ) -> int:
        split = tuple(zip((target.name for target in targets), weights, strict=True))
        source = owner.key if owner is not None else None
        try:
            return self._slots.take(held.add((virtual_host, source, split)))
        except CapacityError as error:
            self.shortage = error
            return SHARED_SLOT


def _route(
    owner: Resource,
    index: int,
    rule: HttpRoute,
    match: HttpMatch | None,
    slot: int,
    targets: list[Target],
    weights: list[int],
) -> RouteData:
    conditions: list[ConditionData] = conditions_of(match) if match is not None else []
    name = f"{rule.name}.{match.name}" if match is not None and match.name else rule.name
    clusters = [(target.cluster, weight) for target, weight in zip(targets, weights, strict=True)]
    return {
        "name": name,
        "slot": slot,
        "virtual_service": owner.key.qualified_name,
        "rule": index,
        "conditions": conditions,
        "clusters": clusters or [(NO_CLUSTER, 100)],
        "cluster_names": [target.name for target in targets] or [""],
        "timeout_ms": rule.timeout or 0,
        "hash_policies": [policy for target in targets for policy in target.hash_policies],
    }


def _without_scope(match: HttpMatch) -> HttpMatch:
    """The match as this proxy sees it once port and caller are known to apply."""
    return match.model_copy(
        update={"port": None, "gateways": [], "source_namespace": "", "source_labels": {}}
    )
