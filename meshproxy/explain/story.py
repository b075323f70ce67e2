"""A decision with its reasons, as plain values: what the text says and JSON prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meshproxy.explain.balance import EndpointStory, endpoint_stories, pick_reason
from meshproxy.explain.decision import Decision
from meshproxy.explain.forwarding import Change, HeaderChanges, HeaderEdits, changes_of, edits_of
from meshproxy.explain.host import HostStory
from meshproxy.explain.request import RequestView
from meshproxy.explain.rules import RuleStory
from meshproxy.explain.source import Source, Sources, default_of
from meshproxy.snapshot.model import ClusterData, RetryData, RouteData

if TYPE_CHECKING:
    from meshproxy.explain.explainer import Explainer

_SHOWN_BODY = 200  # characters of a direct response
_PPM = 10_000  # parts per million in a percent


@dataclass(frozen=True, slots=True)
class Fault:
    delay_ms: int
    delay_percent: float
    is_delayed: bool  # drawn for this request
    abort_status: int
    abort_percent: float
    is_aborted: bool
    source: Source | None


@dataclass(frozen=True, slots=True)
class Mirror:
    cluster: str
    percent: float
    is_sent: bool  # drawn for this request
    source: Source | None


@dataclass(frozen=True, slots=True)
class Cors:
    verdict: str  # "preflight", "allowed", "none"
    headers: tuple[tuple[str, str], ...]  # that the answer gets
    source: Source | None


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of a policy and who said so."""

    name: str
    value: str
    source: Source | None


@dataclass(frozen=True, slots=True)
class HashPolicy:
    kind: str
    name: str
    value: str | None  # in this request


@dataclass(frozen=True, slots=True)
class Story:
    """Field names are keys of `explain -o json`; None and () = there is none."""

    request: RequestView
    host: HostStory
    rules: tuple[RuleStory, ...]
    arm: int | None
    split_turn: int | None
    path: Change | None
    authority: Change | None
    request_headers: HeaderChanges | None
    response_headers: HeaderEdits | None
    location: str | None
    body: str | None  # of a direct response, its beginning
    fault: Fault | None
    mirrors: tuple[Mirror, ...]
    cors: Cors | None
    retry: RetryData | None
    settings: tuple[Setting, ...]
    hash_policies: tuple[HashPolicy, ...]
    hash: int | None
    dns_names: tuple[str, ...]  # that the cluster's endpoints are looked up by
    endpoints: tuple[EndpointStory, ...]
    is_live: bool  # told by a running proxy, which looks names up
    pick: str | None


def tell(decision: Decision, answer: dict[str, Any], explainer: Explainer) -> Story:
    """Put the story together; `answer` is Snapshot.decide's."""
    route = decision.route_data
    sources = explainer.sources
    cluster = explainer.data["clusters"].get(answer["cluster_id"])
    path = authority = headers = None
    if answer["forwarded"]:
        path, authority, headers = changes_of(decision.request.head(), answer["forwarded"])
    is_picked = cluster is not None and decision.endpoint is not None
    is_live = explainer.scoreboard is not None
    return Story(
        request=decision.request,
        host=explainer.domains.story(decision.request.authority, answer["virtual_host_id"]),
        rules=decision.rules(),
        arm=answer["arm"] if answer["arm"] >= 0 else None,
        split_turn=answer["split_turn"] if answer["split_turn"] >= 0 else None,
        path=path,
        authority=authority,
        request_headers=headers,
        response_headers=_response_edits(route, answer["arm"]),
        location=answer["location"] or None,
        body=_beginning(answer["body"]) if route and "direct_response" in route else None,
        fault=_fault(route, answer, sources),
        mirrors=tuple(_mirrors(route, answer, sources)),
        cors=_cors(route, answer, sources),
        retry=route.get("retry") if route is not None else None,
        settings=tuple(_settings(route, cluster, sources)),
        hash_policies=tuple(_hash_policies(route, decision)),
        hash=answer["hash"],
        dns_names=tuple(_dns_names(cluster)),
        is_live=is_live,
        endpoints=(
            tuple(endpoint_stories(cluster, decision.endpoint, explainer.scoreboard, sources))
            if cluster is not None
            else ()
        ),
        pick=(
            pick_reason(cluster, answer, decision.hash_key, is_live)
            if is_picked and cluster is not None
            else None
        ),
    )


def _dns_names(cluster: ClusterData | None) -> list[str]:
    written = cluster["dns"]["endpoints"] if cluster is not None and "dns" in cluster else []
    return list(dict.fromkeys(item["dns_name"] for item in written if "dns_name" in item))


def _beginning(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    return text if len(text) <= _SHOWN_BODY else text[:_SHOWN_BODY] + "..."


def _response_edits(route: RouteData | None, arm: int) -> HeaderEdits | None:
    if route is None:
        return None
    own = route.get("arm_response_edits") or []
    first = own[arm] if 0 <= arm < len(own) else None
    steps = ([first] if first is not None else []) + route.get("response_edits", [])
    return edits_of(steps) if steps else None


def _fault(
    route: RouteData | None, answer: dict[str, Any], sources: Sources | None
) -> Fault | None:
    data = route.get("fault") if route is not None else None
    if route is None or data is None:
        return None
    return Fault(
        delay_ms=data["delay_ms"],
        delay_percent=data["delay_ppm"] / _PPM,
        is_delayed=answer["delay_ms"] > 0,
        abort_status=data["abort_status"],
        abort_percent=data["abort_ppm"] / _PPM,
        is_aborted=answer["outcome"] == "fault",
        source=sources.rule_field(route, "fault") if sources is not None else None,
    )


def _mirrors(
    route: RouteData | None, answer: dict[str, Any], sources: Sources | None
) -> list[Mirror]:
    if route is None:
        return []
    sent = list(answer["mirrors"])
    told: list[Mirror] = []
    for item in route.get("mirrors", ()):
        is_sent = item["cluster"] in sent
        if is_sent:
            sent.remove(item["cluster"])
        source = sources.rule_field(route, "mirrors", "mirror") if sources is not None else None
        told.append(Mirror(item["name"], item["ppm"] / _PPM, is_sent, source))
    return told


def _cors(route: RouteData | None, answer: dict[str, Any], sources: Sources | None) -> Cors | None:
    if route is None or "cors" not in route:
        return None
    lines = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in answer["cors_lines"]
    )
    source = sources.rule_field(route, "cors_policy") if sources is not None else None
    return Cors(answer["cors"], lines, source)


def _hash_policies(route: RouteData | None, decision: Decision) -> list[HashPolicy]:
    told: list[HashPolicy] = []
    for kind, name in route["hash_policies"] if route is not None else ():
        values = decision.seen.values(kind, name)
        if kind == "source_ip":
            values = [decision.source_ip] if decision.source_ip else []
        told.append(HashPolicy(kind, name, ", ".join(values) if values else None))
    return told


def _settings(
    route: RouteData | None, cluster: ClusterData | None, sources: Sources | None
) -> list[Setting]:
    """The numbers in force. Without manifests nobody knows who set them."""
    told: list[Setting] = []
    if route is None:
        return told
    if cluster is not None or route["clusters"]:
        told.append(
            Setting("timeout", duration(route["timeout_ms"]), _of_rule(route, sources, "timeout"))
        )
        source = _of_rule(route, sources, "retries") if "retry" in route else None
        told.append(Setting("retries", retry_words(route), source))
    if cluster is None:
        return told
    for name, value, owner, block, *fields in (
        ("balancer", cluster["lb"]["policy"], "Istio", "load_balancer"),
        (
            "connect timeout",
            duration(cluster["connect_timeout_ms"]),
            "Istio",
            "connection_pool",
            "tcp",
            "connect_timeout",
        ),
        (
            "idle timeout",
            duration(cluster["idle_timeout_ms"]),
            "Envoy",
            "connection_pool",
            "http",
            "idle_timeout",
        ),
    ):
        source = None
        if sources is not None:
            source = sources.policy_field(cluster, block, *fields) or default_of(owner)
        told.append(Setting(name, value, source))
    return told


def _of_rule(route: RouteData, sources: Sources | None, name: str) -> Source | None:
    if sources is None:
        return None
    return sources.rule_field(route, name) or default_of("Istio")


def duration(ms: int) -> str:
    """Write milliseconds as a person would; 0 is none."""
    if ms == 0:
        return "none"
    for unit, size in (("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if ms >= size and ms % (size // 10 if unit == "s" else size) == 0:
            return f"{ms / size:g} {unit}"
    return f"{ms} ms"


def retry_words(route: RouteData) -> str:
    data = route.get("retry")
    if data is None or data["attempts"] == 0:
        return "none"
    causes = [*data["retry_on"], *(str(code) for code in data["status_codes"])]
    words = f"{data['attempts']}"
    if causes:
        words += f" on {', '.join(causes)}"
    if data["is_default"]:
        words += "; a POST only before it was sent"  # MP316
    if data["per_try_timeout_ms"]:
        words += f"; {duration(data['per_try_timeout_ms'])} for each try"
    return words
