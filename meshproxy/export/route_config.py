"""Virtual hosts: which domains and ports lead to which routes.

Envoy chooses by name alone, meshproxy by name and port: the routes of a port of its own go first
in the name's virtual host, each guarded by the port in :authority.
"""

from __future__ import annotations

from meshproxy.export.note import Json, Notes
from meshproxy.export.route import route_of
from meshproxy.snapshot.model import DomainData, SnapshotData, VirtualHostData

MAX_DIRECT_BODY = 1024 * 1024  # what Istio's validation allows; Envoy's default is 4096


def route_config(name: str, snapshot: SnapshotData, notes: Notes) -> Json:
    """By Host: one virtual host for all domains that lead to the same places."""
    groups: dict[tuple[object, ...], list[DomainData]] = {}
    seen: set[str] = set()
    for domain in snapshot["domains"] or ():
        if domain["domain"] not in seen:
            seen.add(domain["domain"])
            key = (domain["default"], *sorted(_other_ports(domain).items()))
            groups.setdefault(key, []).append(domain)
    hosts = snapshot["virtual_hosts"]
    made: list[Json] = []
    names: set[str] = set()
    for group in groups.values():
        routes = _routes(group[0], hosts, notes)
        default = hosts.get(group[0]["default"])
        title = default["name"] if default is not None else group[0]["domain"]
        if title in names:
            title = f"{title} {group[0]['domain']}"
        names.add(title)
        made.append(_virtual_host(title, [item["domain"] for item in group], routes))
    return _config(name, made)


def bound_route_config(name: str, host: VirtualHostData | None, notes: Notes) -> Json:
    """One virtual host, whatever the Host header says."""
    if host is None:
        notes.add(f"listener {name}: its virtual host does not exist; every request gets 404")
        return _config(name, [])
    routes = [route_of(route, notes) for route in host["routes"]]
    return _config(name, [_virtual_host(host["name"], ["*"], routes)])


def _routes(
    domain: DomainData, hosts: dict[int, VirtualHostData | None], notes: Notes
) -> list[Json]:
    made = []
    for port, identity in sorted(_other_ports(domain).items()):
        guard = {"name": ":authority", "string_match": {"suffix": f":{port}"}}
        for route in _routes_of(identity, hosts, notes):
            route["match"].setdefault("headers", []).append(guard)
            made.append(route)
        # no route of this port fits: not those of another port either
        made.append(
            {
                "match": {"prefix": "/", "headers": [guard]},
                "direct_response": {"status": 404},
            }
        )
    return made + _routes_of(domain["default"], hosts, notes)


def _routes_of(
    identity: int, hosts: dict[int, VirtualHostData | None], notes: Notes
) -> list[Json]:
    host = hosts.get(identity)
    return [route_of(route, notes) for route in host["routes"]] if host is not None else []


def _other_ports(domain: DomainData) -> dict[int, int]:
    return {port: host for port, host in domain["ports"].items() if host != domain["default"]}


def _virtual_host(name: str, domains: list[str], routes: list[Json]) -> Json:
    return {
        "name": name,
        "domains": domains,
        "routes": routes,
        "include_request_attempt_count": True,
    }


def _config(name: str, virtual_hosts: list[Json]) -> Json:
    return {
        "name": name,
        "virtual_hosts": virtual_hosts,
        "validate_clusters": False,
        "ignore_port_in_host_matching": True,
        "max_direct_response_body_size_bytes": MAX_DIRECT_BODY,
    }
