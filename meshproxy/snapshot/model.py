"""The compiled snapshot as plain data: what the control process sends and a worker builds from.

Law: only dict, list, tuple, str, bytes, int, float, bool and None occur here, so a snapshot can
cross a socketpair with `marshal` and be printed as JSON by /config_dump (bytes as base64).
Identifiers (`id`, `slot`) are small integers given by `snapshot.slots`; an id names the same
object for the life of the proxy, in every worker and in the scoreboard.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

ConditionData = tuple[
    Literal["uri", "method", "authority", "scheme", "header", "query"],
    str,  # header (lower case) or query parameter name; "" for the others
    Literal["exact", "prefix", "regex", "present"],
    str,  # value; "" for present
    bool,  # ignore case (uri exact and prefix only)
    bool,  # inverted (withoutHeaders)
]
"""One condition of a match. All conditions of a route must hold (AND)."""

HashPolicyData = tuple[Literal["header", "cookie", "query", "source_ip"], str]

TemplatePart = str | tuple[str, str, str, int]
"""Literal text, or a %...% variable: (command, argument, alternative, max length or -1), such as
("REQ", "x-user", "", -1) for %REQ(X-USER)%. Commands: REQ, RESP, PROTOCOL, RESPONSE_CODE,
START_TIME, ROUTE_NAME, UPSTREAM_CLUSTER, UPSTREAM_HOST, DOWNSTREAM_REMOTE_ADDRESS,
DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT."""


class HeaderEditsData(TypedDict):
    """Header operations, run in this order (ISTIO 1.10)."""

    remove: list[str]
    set: list[tuple[str, list[TemplatePart]]]
    add: list[tuple[str, list[TemplatePart]]]


class RewriteData(TypedDict):
    kind: Literal["none", "prefix", "full", "regex"]
    length: int  # prefix: bytes of the path that are replaced
    pattern: str  # regex: RE2
    value: str  # what takes the place
    authority: str  # new Host; "" = as it is


class RedirectData(TypedDict):
    status: int
    path: RewriteData | None  # None = as it is
    scheme: str  # "" = the request's
    authority: str  # "" = the request's
    port: int  # -1 = the request's, 0 = the protocol's default, else this one


class DirectResponseData(TypedDict):
    status: int
    body: bytes


class FaultData(TypedDict):
    delay_ms: int  # 0 = none
    delay_ppm: int  # parts per million
    abort_status: int  # 0 = none
    abort_ppm: int


class MirrorData(TypedDict):
    cluster: int  # -1 = no such cluster: nothing is sent
    name: str
    ppm: int


class CorsData(TypedDict):
    origins: list[tuple[Literal["exact", "prefix", "regex"], str]]
    methods: str  # ready header value; "" = not sent; "*" echoes
    headers: str
    expose: str
    max_age: str  # seconds; "" = not sent
    credentials: bool
    ignore_unmatched: bool  # unmatchedPreflights: IGNORE


class RetryData(TypedDict):
    attempts: int  # retries, not tries; 0 = none
    per_try_timeout_ms: int  # 0 = none
    retry_on: list[str]
    status_codes: list[int]
    backoff_ms: int
    avoid_previous: bool  # retryIgnorePreviousHosts
    remote_localities: bool
    is_default: NotRequired[bool]  # nobody wrote it: only what is safe to repeat is repeated


class CookieData(TypedDict):
    """A cookie the proxy makes when a cookie hash policy finds none (ISTIO 3.7)."""

    name: str
    path: str  # "" = no Path attribute
    ttl_s: int  # 0 = no Max-Age
    attributes: list[tuple[str, str]]


class OutlierData(TypedDict):
    """outlierDetection (ISTIO 2.8, 3.8); a threshold of 0 is off."""

    consecutive_5xx: int
    consecutive_gateway: int
    consecutive_local: int
    split_local: bool
    interval_ms: int
    base_ejection_ms: int
    max_ejection_percent: int


class LimitsData(TypedDict):
    """connectionPool; 0 = no limit."""

    max_connections: int
    max_pending: int
    max_requests: int
    max_requests_per_connection: int
    max_retries: int
    max_connection_ms: int
    retry_budget_percent: float
    retry_budget_least: int


class WarmupData(TypedDict):
    duration_ms: int
    minimum_percent: float
    aggression: float


class EndpointData(TypedDict):
    """One address of a cluster."""

    address: str  # IPv4 or IPv6 literal, no brackets
    port: int
    slot: int  # scoreboard endpoint slot: one per (cluster, address, port)
    weight: int  # >= 1
    healthy: bool  # readiness as discovery sees it
    name: str  # "namespace/pod", or "" when unknown
    labels: dict[str, str]
    failing: NotRequired[bool]  # an active health check found it so: it is not healthy
    locality: NotRequired[str]  # "region/zone/subzone", "" = unknown
    dns_name: NotRequired[str]  # whose address it is; absent = it was given
    priority: NotRequired[int]  # 0 first; absent = 0
    locality_weight: NotRequired[int]  # of its locality when traffic is distributed; 0 = none


class DnsData(TypedDict):
    """Names whose addresses are the endpoints; workers do not read it."""

    type: Literal["STRICT_DNS", "LOGICAL_DNS"]  # all addresses, or the first one
    endpoints: list[EndpointData]  # an address may be a name; slot is -1


HashTableData = tuple[bytes, bytes]
"""Of a ring (_fast.ketama): sorted uint64 hashes, and whose each is. Of a Maglev table
(_fast.maglev): b"", and whose each slot is. Owners are uint32 indexes into what
`hash_table.members` gives. All in machine order."""


class LoadBalancerData(TypedDict):
    policy: Literal["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH", "MAGLEV", "PASSTHROUGH"]
    ring_size: NotRequired[int]  # RING_HASH: least number of points
    table_size: NotRequired[int]  # MAGLEV: slots
    balance_factor: NotRequired[int]  # hash policies: percent of its share in flight; absent = any
    # Hash policies, by priority, over its ready endpoints; absent = the worker makes them
    tables: NotRequired[dict[int, HashTableData]]


class ClusterData(TypedDict):
    id: int  # also its scoreboard cluster slot
    name: str  # "outbound|80|v1|nginx.default.svc.cluster.local"
    protocol: Literal["http", "tcp"]
    lb: LoadBalancerData
    connect_timeout_ms: int
    idle_timeout_ms: int
    endpoints: list[EndpointData]  # healthy and unhealthy; order is the pick order
    dns: NotRequired[DnsData]  # absent = no name is looked up
    # Absent = not configured
    outlier: NotRequired[OutlierData]
    limits: NotRequired[LimitsData]
    warmup: NotRequired[WarmupData]
    tcp_keepalive: NotRequired[dict[str, int]]  # probes, time_s, interval_s
    panic_percent: NotRequired[int]  # minHealthPercent; absent = 0: never panic
    # Of its connections at L4, which a listener can have to any cluster
    tcp_idle_timeout_ms: NotRequired[int]  # 0 = none; absent = one hour
    tcp_hashes_source: NotRequired[bool]  # consistentHash.useSourceIp
    session_affinity_s: NotRequired[int]  # sessionAffinity ClientIP: how long


class RouteData(TypedDict):
    name: str  # access log %ROUTE_NAME%; "default" when no VirtualService applies
    slot: int  # scoreboard route slot (split cursor); the match entries of a rule share it
    virtual_service: str  # "namespace/name", "" for the default route
    rule: int  # index in spec.http, -1 for the default route
    conditions: list[ConditionData]
    clusters: list[tuple[int, int]]  # (cluster id, weight > 0); id -1 = cluster not found (NC)
    cluster_names: list[str]  # same order: names, also of clusters that do not exist
    timeout_ms: int  # 0 = none
    hash_policies: list[HashPolicyData]
    cookies: NotRequired[list[CookieData]]  # of the cookie policies that make theirs
    # Absent = the route does none of it. At most one of redirect and direct_response; then
    # `clusters` is empty.
    redirect: NotRequired[RedirectData]
    direct_response: NotRequired[DirectResponseData]
    rewrite: NotRequired[RewriteData]
    # In the order they run; for a weighted route the arm's own come first (arm_edits).
    request_edits: NotRequired[list[HeaderEditsData]]
    response_edits: NotRequired[list[HeaderEditsData]]
    # Per arm, same order as `clusters`; None = nothing
    arm_request_edits: NotRequired[list[HeaderEditsData | None]]
    arm_response_edits: NotRequired[list[HeaderEditsData | None]]
    arm_authorities: NotRequired[list[str]]  # Host of the arm when the route sets none; "" = none
    fault: NotRequired[FaultData]
    mirrors: NotRequired[list[MirrorData]]
    cors: NotRequired[CorsData]
    retry: NotRequired[RetryData]
    upgrades: NotRequired[bool]  # False: Upgrade is not passed on


class VirtualHostData(TypedDict):
    id: int
    name: str  # "nginx.default.svc.cluster.local:80"
    routes: list[RouteData]  # first match wins


class DomainData(TypedDict):
    """A name that a Host header can carry. `*.suffix` and `*` are wildcards (ISTIO 1.6)."""

    domain: str  # lower case, without port
    ports: dict[int, int]  # port in Host -> virtual host id
    default: int  # virtual host id when Host has no port or an unknown one; -1 = no route


class ListenerData(TypedDict):
    id: int
    protocol: Literal["http", "tcp"]
    virtual_host: int  # bound HTTP listener: this virtual host whatever the Host; -1 = by Host
    cluster: int  # tcp: where its connections go; -1 = refuse (cluster not found)
    # tcp: a weighted route instead of one cluster: (cluster id or -1, weight), per connection
    clusters: NotRequired[list[tuple[int, int]]]
    slot: NotRequired[int]  # scoreboard route slot of that split
    # tcp, for people: what was asked for and why it goes there
    service: NotRequired[str]  # "redis.cache.svc.cluster.local:6379"
    virtual_service: NotRequired[str]  # "namespace/name" whose tcp rule it follows; absent = none
    rule: NotRequired[int]  # index in its spec.tcp
    cluster_names: NotRequired[list[str]]  # in the order of `clusters`, or of the only one


class SnapshotData(TypedDict):
    """A whole snapshot, or (`full` False) what changed since the generation before."""

    generation: int
    full: bool
    clusters: dict[int, ClusterData | None]  # None = removed
    virtual_hosts: dict[int, VirtualHostData | None]
    domains: list[DomainData] | None  # always whole; None = unchanged
    listeners: list[ListenerData] | None  # always whole; None = unchanged
