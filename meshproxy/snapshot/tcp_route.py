"""Where the connections to a service port go: a tcp rule of a VirtualService, or the port's own
cluster.

As istiod: the rules of all VirtualServices that cover the host count, in their order. Rules with
destinationSubnets are asked first, the longest that holds an address of the service wins; then
the first rule without, which ends the list. Ports that speak TLS follow tls rules only.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable, Iterable, Sequence

from meshproxy.config.host import is_address
from meshproxy.config.l4_route import L4Match
from meshproxy.config.service import ServicePort
from meshproxy.errors import CapacityError

from .destination import NO_CLUSTER, DestinationResolver
from .mesh_service import MeshService
from .model import ListenerData
from .protocol import speaks_tls
from .route import SHARED_SLOT, weighted
from .route_index import RouteIndex
from .rule import Caller, TcpRule
from .slots import Slots


class TcpRouteCompiler:
    """Makes the ListenerData of connections. Listeners of one service port share the cursor of
    its split."""

    def __init__(
        self, slots: Slots, resolver: DestinationResolver, routes: RouteIndex, caller: Caller
    ) -> None:
        self.shortage: CapacityError | None = None  # some rules share a cursor
        self._slots = slots
        self._resolver = resolver
        self._routes = routes
        self._caller = caller

    def compile(
        self, index: int, service: MeshService, port: ServicePort, held: set[Hashable] | None
    ) -> ListenerData:
        """Make what a listener (id `index`) does. Slot keys in use are added to `held`; None takes
        no slot: a split that no listener has then stands at the cursor of SHARED_SLOT."""
        made: ListenerData = {
            "id": index,
            "protocol": "tcp",
            "virtual_host": -1,
            "cluster": NO_CLUSTER,
            "service": f"{service.host}:{port.port}",
        }
        rule = self._rule(service, port)
        if rule is None:
            target = self._resolver.default(service.host, port.port)
            made["cluster"], made["cluster_names"] = target.cluster, [target.name]
            return made
        namespace = rule.owner.key.namespace
        entries, weights = weighted(rule.tcp.route)
        targets = [
            self._resolver.target(entry.destination, namespace, port.port) for entry in entries
        ]
        made["virtual_service"] = rule.owner.key.qualified_name
        made["rule"] = rule.index
        made["cluster_names"] = [target.name for target in targets]
        if len(targets) == 1:
            made["cluster"] = targets[0].cluster
            return made
        split = tuple(zip(made["cluster_names"], weights, strict=True))
        made["clusters"] = [
            (target.cluster, weight) for target, weight in zip(targets, weights, strict=True)
        ]
        made["slot"] = self._slot((made["service"], rule.owner.key, split), held)
        return made

    def release(self, keys: Iterable[Hashable]) -> None:
        """Free slots that no listener uses any more."""
        for key in keys:
            self._slots.free(key)

    def _rule(self, service: MeshService, port: ServicePort) -> TcpRule | None:
        if speaks_tls(port):
            return None
        rules = self._routes.tcp_rules(service.host)
        return choose(rules, self._caller, port.port, service.addresses)

    def _slot(self, key: Hashable, held: set[Hashable] | None) -> int:
        if held is None:
            found = self._slots.get(key)
            return SHARED_SLOT if found is None else found
        try:
            slot = self._slots.take(key)
        except CapacityError as error:
            self.shortage = error
            return SHARED_SLOT
        held.add(key)
        return slot


def choose(
    rules: Iterable[TcpRule], caller: Caller, port: int, addresses: Sequence[str]
) -> TcpRule | None:
    """Give the rule for a caller and a service port; None = the service's own endpoints."""
    found: list[tuple[int, TcpRule]] = []
    for rule in rules:
        matches = [match for match in rule.tcp.match if caller.takes(match, port)]
        if not rule.tcp.match or any(not match.destination_subnets for match in matches):
            found.append((-1, rule))
            break
        lengths = [longest_prefix(match, addresses) for match in matches]
        known = [length for length in lengths if length is not None]
        if known:
            found.append((max(known), rule))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def longest_prefix(match: L4Match, addresses: Sequence[str]) -> int | None:
    """Give the length of the longest destination subnet with one of the addresses, or None."""
    found = [
        network.prefixlen
        for network in (ipaddress.ip_network(item, False) for item in match.destination_subnets)
        for address in addresses
        if is_address(address) and ipaddress.ip_address(address) in network
    ]
    return max(found, default=None)
