"""Rules and settings that cannot have an effect: for another caller, another kind of port, or for
a proxy that does not know where it is."""

from __future__ import annotations

from collections.abc import Iterator

from meshproxy.config.destination_rule import DestinationRule
from meshproxy.config.http_match import HttpMatch
from meshproxy.config.l4_route import L4Match
from meshproxy.config.places import Path
from meshproxy.config.problem import Finding, quote
from meshproxy.config.service import Service
from meshproxy.config.traffic_policy import PortPolicy, TrafficPolicy
from meshproxy.config.virtual_service import VirtualServiceSpec

from .destination import DestinationResolver
from .mesh_service import MeshService
from .protocol import Protocol, port_protocol, speaks_tls
from .registry import Registry
from .rule import MESH
from .tcp_route import longest_prefix

_NOWHERE = "has no effect: the proxy does not know where it is (--locality)"


class EffectCheck:
    """Judges objects that are right by themselves against the proxy that is to obey them."""

    def __init__(self, registry: Registry, resolver: DestinationResolver) -> None:
        self._registry = registry
        self._resolver = resolver

    def of_rules(self, spec: VirtualServiceSpec, hosts: list[str]) -> Iterator[Finding]:
        """Judge the rules of a VirtualService for these full hosts."""
        services = self._services(hosts)
        for index, rule in enumerate(spec.http):
            for at, match in enumerate(rule.match):
                path: Path = ("spec", "http", index, "match", at)
                yield from self._caller(match, path)
                yield from _port(match, services, path)
        for index, tcp in enumerate(spec.tcp):
            for at, l4_match in enumerate(tcp.match):
                path = ("spec", "tcp", index, "match", at)
                yield from self._caller(l4_match, path)
                yield from _port(l4_match, services, path)
                yield from _subnets(l4_match, services, path)
        for index, tls in enumerate(spec.tls):
            for at, tls_match in enumerate(tls.match):
                yield from self._caller(tls_match, ("spec", "tls", index, "match", at))
        yield from _kinds(spec, services)

    def of_policies(self, model: DestinationRule, host: str) -> Iterator[Finding]:
        """Judge the policies of a DestinationRule for this full host."""
        service = self._registry.services.get(host)
        is_tcp = service is not None and _kinds_of([service]) == {"tcp"}
        for path, policy in _policies(model):
            balancer = policy.load_balancer
            if balancer is None:
                continue
            where = (*path, "loadBalancer")
            setting = balancer.locality_lb_setting
            if setting is not None and setting.enabled and not self._registry.scope.locality:
                for name in ("distribute", "failover"):
                    if getattr(setting, name):
                        yield Finding("MP315", (*where, "localityLbSetting", name), _NOWHERE)
            hashing = balancer.consistent_hash
            if is_tcp and hashing is not None and not hashing.use_source_ip:
                message = (
                    "connections have only useSourceIp to hash: each goes to a random endpoint"
                )
                yield Finding("MP315", (*where, "consistentHash"), message)

    def of_service(self, model: Service) -> Iterator[Finding]:
        path: Path = ("spec", "trafficDistribution")
        if model.spec.traffic_distribution and not self._registry.scope.locality:
            yield Finding("MP315", path, _NOWHERE)
        elif model.spec.traffic_distribution == "PreferSameNode":
            message = "taken as PreferSameZone: which node an endpoint is on is not known here"
            yield Finding("MP315", path, message)
        http = [str(port.port) for port in model.spec.ports if port_protocol(port) == "http"]
        if model.spec.affinity_s and http:
            message = (
                f"for connections only: requests to port {', '.join(http)} are balanced one by"
                " one, as in Istio; consistentHash.useSourceIp would keep them together"
            )
            yield Finding("MP315", ("spec", "sessionAffinity"), message, "info")

    def _caller(self, match: HttpMatch | L4Match, path: Path) -> Iterator[Finding]:
        """Say why a match is for other callers than this proxy."""
        scope = self._registry.scope
        if match.gateways and MESH not in match.gateways:
            yield Finding("MP310", (*path, "gateways"), "only for other gateways")
        elif match.gateways and isinstance(match, HttpMatch):
            return  # Istio then asks for nothing else of the caller
        elif match.source_namespace not in ("", scope.namespace):
            message = f"the proxy is in namespace {quote(scope.namespace)}"
            yield Finding("MP310", (*path, "sourceNamespace"), message)
        elif not match.source_labels.items() <= scope.labels.items():
            message = "the proxy does not have these labels (--labels)"
            yield Finding("MP310", (*path, "sourceLabels"), message)

    def _services(self, hosts: list[str]) -> list[MeshService]:
        """Give the services of these hosts; [] when one is a wildcard or not known."""
        found = [self._resolver.service(host) for host in hosts]
        known = [service for service in found if service is not None]
        return known if len(known) == len(hosts) else []


def _port(
    match: HttpMatch | L4Match, services: list[MeshService], path: Path
) -> Iterator[Finding]:
    known = sorted({port.port for service in services for port in service.ports})
    if match.port is not None and known and match.port not in known:
        shown = ", ".join(map(str, known))
        message = f"expected a port of {shown}, found {match.port}: nothing comes on it"
        yield Finding("MP310", (*path, "port"), message)


def _subnets(match: L4Match, services: list[MeshService], path: Path) -> Iterator[Finding]:
    """Subnets are compared with the addresses of services, which do not come and go."""
    if not match.destination_subnets or not services:
        return
    addresses = [address for service in services for address in service.addresses]
    if longest_prefix(match, addresses) is None:
        shown = ", ".join(addresses[:5]) or "none"
        message = f"no address of the hosts is inside, they have {shown}"
        yield Finding("MP310", (*path, "destinationSubnets"), message)


def _kinds(spec: VirtualServiceSpec, services: list[MeshService]) -> Iterator[Finding]:
    """Rules of one kind for services that have ports of the other only."""
    ports = [port for service in services for port in service.ports]
    kinds = _kinds_of(services)
    if spec.http and kinds == {"tcp"}:
        message = "has no effect: no port of the hosts speaks HTTP: use tcp rules"
        yield Finding("MP315", ("spec", "http"), message)
    if spec.tcp and ports and all(speaks_tls(port) for port in ports):
        message = "has no effect: connections that begin with TLS follow tls rules"
        yield Finding("MP315", ("spec", "tcp"), message)
    elif spec.tcp and kinds == {"http"}:
        message = "every port of the hosts speaks HTTP: only listeners with /tcp follow them"
        yield Finding("MP315", ("spec", "tcp"), message)


def _kinds_of(services: list[MeshService]) -> set[Protocol | None]:
    return {port_protocol(port) for service in services for port in service.ports}


def _policies(model: DestinationRule) -> Iterator[tuple[Path, TrafficPolicy | PortPolicy]]:
    """Give every policy of a rule with its place."""
    spec = model.spec
    tops: list[tuple[Path, TrafficPolicy | None]] = [
        (("spec", "trafficPolicy"), spec.traffic_policy),
        *(
            (("spec", "subsets", index, "trafficPolicy"), subset.traffic_policy)
            for index, subset in enumerate(spec.subsets)
        ),
    ]
    for path, policy in tops:
        if policy is not None:
            yield path, policy
            for at, setting in enumerate(policy.port_level_settings):
                yield (*path, "portLevelSettings", at), setting
