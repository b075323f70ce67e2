"""Routes of a virtual host: a VirtualService's rules for one port, or the default route."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from meshproxy.config.http_action import Headers
from meshproxy.config.http_match import HttpMatch, is_catch_all
from meshproxy.config.http_route import WeightedDestination
from meshproxy.config.l4_route import L4Destination
from meshproxy.config.metadata import UPGRADE_ANNOTATION
from meshproxy.config.resource import Resource
from meshproxy.errors import CapacityError

from . import action, edits
from .condition import conditions_of
from .destination import DestinationResolver, Target
from .model import HeaderEditsData, MirrorData, RouteData
from .rule import Caller, Rule
from .slots import Slots

Entry = TypeVar("Entry", WeightedDestination, L4Destination)

DEFAULT_NAME = "default"
NO_RULE = -1
SHARED_SLOT = 0  # of rules for which no slot is left: their splits are less even, not wrong


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
        self, virtual_host: str, port: int, rules: Iterable[Rule], held: SlotKeys
    ) -> tuple[list[RouteData], set[str]]:
        """Compile rules for one virtual host; gives the routes and the hosts they go to. Slot
        keys in use are added to `held`."""
        routes: list[RouteData] = []
        hosts: set[str] = set()
        for rule in rules:
            entries = [item for item in rule.http.match if self._caller.takes(item, port)]
            if rule.http.match and not entries:
                continue
            shared = self._shared(virtual_host, port, rule, hosts, held)
            matches: list[HttpMatch | None] = [*entries] or [None]
            for match in matches:
                routes.append(_route(shared, rule, match, port))
                if match is None or is_catch_all(_without_scope(match)):
                    return routes, hosts
        return routes, hosts

    def default(self, virtual_host: str, host: str, port: int, held: SlotKeys) -> list[RouteData]:
        """Compile the only route of a service port without VirtualService."""
        target = self._resolver.default(host, port)
        route: RouteData = {
            "name": DEFAULT_NAME,
            "slot": self._slot(virtual_host, None, [target], [100], held),
            "virtual_service": "",
            "rule": NO_RULE,
            "conditions": [],
            "clusters": [(target.cluster, 100)],
            "cluster_names": [target.name],
            "timeout_ms": 0,
            "hash_policies": target.hash_policies,
        }
        if target.cookies:
            route["cookies"] = target.cookies
        retry = action.retry_of(None, bool(target.hash_policies))
        if retry is not None:
            route["retry"] = retry
        return [route]

    def _shared(
        self, virtual_host: str, port: int, rule: Rule, hosts: set[str], held: SlotKeys
    ) -> RouteData:
        """Make what all match entries of a rule have in common; adds to `hosts` and `held`."""
        http = rule.http
        entries, weights = weighted(rule.http.route)
        namespace = rule.owner.key.namespace
        targets = [self._resolver.target(item.destination, namespace, port) for item in entries]
        headers = [entry.headers for entry in entries]
        hosts.update(target.host for target in targets)
        made: RouteData = {
            "name": http.name,
            "slot": self._slot(virtual_host, rule.owner, targets, weights, held),
            "virtual_service": rule.owner.key.qualified_name,
            "rule": rule.index,
            "conditions": [],
            "clusters": [
                (target.cluster, weight) for target, weight in zip(targets, weights, strict=True)
            ],
            "cluster_names": [target.name for target in targets],
            "timeout_ms": http.timeout or 0,
            "hash_policies": [policy for target in targets for policy in target.hash_policies],
        }
        cookies = [cookie for target in targets for cookie in target.cookies]
        if cookies:
            made["cookies"] = cookies
        if len(headers) == 1:
            _add_edits(made, edits.request_edits(http.headers, headers[0]), "request")
            _add_edits(made, edits.response_edits(http.headers, headers[0]), "response")
        else:
            _add_edits(made, edits.request_edits(http.headers), "request")
            _add_edits(made, edits.response_edits(http.headers), "response")
            _add_arms(made, headers)
        if http.redirect is not None or http.direct_response is not None:
            made["timeout_ms"] = 0
            return made
        if http.fault is not None and (fault := action.fault_of(http.fault)) is not None:
            made["fault"] = fault
        if http.cors_policy is not None and (cors := action.cors_of(http.cors_policy)) is not None:
            made["cors"] = cors
        if rule.owner.model.metadata.annotations.get(UPGRADE_ANNOTATION) == "off":
            made["upgrades"] = False
        is_hashed = len(targets) == 1 and bool(targets[0].hash_policies)
        retry = action.retry_of(http.retries, is_hashed)
        if retry is not None:
            made["retry"] = retry
        mirrors = self._mirrors(rule, port, hosts)
        if mirrors:
            made["mirrors"] = mirrors
        return made

    def _mirrors(self, rule: Rule, port: int, hosts: set[str]) -> list[MirrorData]:
        http = rule.http
        wanted = [(item.destination, item.percentage) for item in http.mirrors]
        shares = [share.ppm if share is not None else action.ALL_PPM for _, share in wanted]
        destinations = [destination for destination, _ in wanted]
        if http.mirror is not None:
            destinations, shares = [http.mirror], [action.mirror_ppm(http)]
        found: list[MirrorData] = []
        for destination, ppm in zip(destinations, shares, strict=True):
            if ppm <= 0:
                continue
            target = self._resolver.target(destination, rule.owner.key.namespace, port)
            hosts.add(target.host)
            found.append({"cluster": target.cluster, "name": target.name, "ppm": ppm})
        return found

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


def weighted(entries: Sequence[Entry]) -> tuple[list[Entry], list[int]]:
    """Give the destinations that get traffic, and their weights."""
    if len(entries) < 2:
        return list(entries), [100] * len(entries)
    arms = [entry for entry in entries if entry.weight]
    return arms, [entry.weight or 0 for entry in arms]


def _add_edits(made: RouteData, found: HeaderEditsData | None, side: str) -> None:
    if found is not None:
        if side == "request":
            made["request_edits"] = [found]
        else:
            made["response_edits"] = [found]


def _add_arms(made: RouteData, headers: list[Headers | None]) -> None:
    """With several destinations each arm's operations run first, then the route's."""
    requests = [edits.request_edits(item) for item in headers]
    responses = [edits.response_edits(item) for item in headers]
    authorities = [edits.authority(item) for item in headers]
    if any(requests):
        made["arm_request_edits"] = requests
    if any(responses):
        made["arm_response_edits"] = responses
    if any(authorities):
        made["arm_authorities"] = authorities


def _route(shared: RouteData, rule: Rule, match: HttpMatch | None, port: int) -> RouteData:
    """Make the route of one match entry."""
    http = rule.http
    route: RouteData = {**shared}
    if match is not None:
        route["conditions"] = conditions_of(match)
        if match.name:
            route["name"] = f"{http.name}.{match.name}"
    if http.redirect is not None:
        route["redirect"] = action.redirect_of(http.redirect, match, port)
    elif http.direct_response is not None:
        route["direct_response"] = action.direct_response_of(http.direct_response)
    else:
        authority = edits.authority(http.headers)
        if not authority and len(http.route) == 1:
            authority = edits.authority(http.route[0].headers)
        rewrite = action.rewrite_of(http, match, authority)
        if rewrite is not None:
            route["rewrite"] = rewrite
    return route


def _without_scope(match: HttpMatch) -> HttpMatch:
    """The match as this proxy sees it once port and caller are known to apply."""
    return match.model_copy(
        update={"port": None, "gateways": [], "source_namespace": "", "source_labels": {}}
    )
