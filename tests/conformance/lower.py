"""Rules to routes, as istiod lowers them: the short independent way, for parity below the YAML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from conformance.case import (
    EMPTY_SERVICE,
    OTHER_PORT,
    SERVICES,
    Case,
    Rule,
    cluster_name,
)

from meshproxy.snapshot.model import (
    ClusterData,
    ConditionData,
    DomainData,
    HeaderEditsData,
    RouteData,
    SnapshotData,
    TemplatePart,
    VirtualHostData,
)

CLUSTER_IDS = {name: index for index, name in enumerate((*SERVICES, EMPTY_SERVICE))}
_VARIABLE = re.compile(r"%%|%(\w+)(?:\(([^)?]*)(?:\?([^)]*))?\))?(?::(\d+))?%")


def snapshot_of(cases: Sequence[tuple[str, Case]], ports: dict[str, int]) -> SnapshotData:
    """One snapshot of named cases; `ports` are those of the services on loopback."""
    hosts: dict[int, VirtualHostData | None] = {}
    domains: list[DomainData] = []
    slots = iter(range(1_000_000))
    for name, given in cases:
        case = given.named(name)
        identity = len(hosts)
        hosts[identity] = _virtual_host(identity, f"{name}:80", case.http, slots)
        others = {}
        if case.other is not None:
            others = {OTHER_PORT: identity + 1}
            hosts[identity + 1] = _virtual_host(
                identity + 1, f"{name}:{OTHER_PORT}", case.other, slots
            )
        domains += [
            {"domain": host, "ports": {80: identity, **others}, "default": identity}
            for host in case.hosts
        ]
    return {
        "generation": 1,
        "full": True,
        "clusters": {CLUSTER_IDS[name]: _cluster(name, ports.get(name)) for name in CLUSTER_IDS},
        "virtual_hosts": hosts,
        "domains": domains,
        "listeners": [{"id": 0, "protocol": "http", "virtual_host": -1, "cluster": -1}],
    }


def _cluster(service: str, port: int | None) -> ClusterData:
    identity = CLUSTER_IDS[service]
    made: ClusterData = {
        "id": identity,
        "name": cluster_name(service),
        "protocol": "http",
        "lb": {"policy": "ROUND_ROBIN"},
        "connect_timeout_ms": 10_000,
        "idle_timeout_ms": 3_600_000,
        "endpoints": [],
    }
    if port is not None:
        made["endpoints"] = [
            {
                **{"address": "127.0.0.1", "port": port, "slot": identity, "weight": 1},
                **{"healthy": True, "name": "", "labels": {}},
            }  # type: ignore[typeddict-item]
        ]
    return made


def _virtual_host(
    identity: int, name: str, rules: list[Rule], slots: Iterable[int]
) -> VirtualHostData:
    routes = []
    for index, rule in enumerate(rules):
        for match in rule.get("match") or [{}]:
            routes.append(_route(index, rule, match, next(iter(slots))))
    return {"id": identity, "name": name, "routes": routes}


def _route(index: int, rule: Rule, match: Rule, slot: int) -> RouteData:
    arms = rule.get("route", [])
    made: RouteData = {
        "name": rule.get("name", ""),
        "slot": slot,
        "virtual_service": "default/case",
        "rule": index,
        "conditions": list(_conditions(match)),
        "clusters": [
            (CLUSTER_IDS.get(arm["destination"]["host"], -1), arm.get("weight", 100))
            for arm in arms
        ],
        "cluster_names": [cluster_name(arm["destination"]["host"]) for arm in arms],
        "timeout_ms": _ms(rule.get("timeout")),
        "hash_policies": [],
    }
    _lower_headers(made, rule, arms)
    if "redirect" in rule:
        made["redirect"] = _redirect(rule["redirect"], match)
    if "directResponse" in rule:
        body = rule["directResponse"].get("body", {}).get("string", "")
        made["direct_response"] = {
            "status": rule["directResponse"]["status"],
            "body": body.encode(),
        }
    if "fault" in rule:
        delay, abort = rule["fault"].get("delay", {}), rule["fault"].get("abort", {})
        made["fault"] = {
            "delay_ms": _ms(delay.get("fixedDelay")),
            "delay_ppm": _ppm(delay),
            "abort_status": abort.get("httpStatus", 0),
            "abort_ppm": _ppm(abort),
        }
    if "mirrors" in rule:
        made["mirrors"] = [
            {
                "cluster": CLUSTER_IDS.get(item["destination"]["host"], -1),
                "name": cluster_name(item["destination"]["host"]),
                "ppm": _ppm(item),
            }
            for item in rule["mirrors"]
        ]
    if "corsPolicy" in rule:
        made["cors"] = _cors(rule["corsPolicy"])
    return made


def _conditions(match: Rule) -> Iterable[ConditionData]:
    for kind in ("uri", "method", "authority", "scheme"):
        if kind in match:
            ignores_case = kind == "uri" and match.get("ignoreUriCase", False)
            yield _condition(kind, "", match[kind], ignores_case, False)
    for name, wanted in match.get("headers", {}).items():
        yield _condition("header", name.lower(), wanted, False, False)
    for name, wanted in match.get("withoutHeaders", {}).items():
        yield _condition("header", name.lower(), wanted, False, True)
    for name, wanted in match.get("queryParams", {}).items():
        yield _condition("query", name, wanted, False, False)


def _condition(kind: Any, name: str, wanted: Rule, ignores: bool, inverted: bool) -> ConditionData:
    for how, value in wanted.items():
        return (kind, name, how, value, ignores, inverted)
    return (kind, name, "present", "", ignores, inverted)


def _lower_headers(made: RouteData, rule: Rule, arms: list[Rule]) -> None:
    """A single destination's operations are appended to the rule's own (ISTIO 1.10)."""
    own = rule.get("headers", {})
    authorities = [_authority(arm.get("headers", {})) for arm in arms]
    for side in ("request", "response"):
        steps = [own.get(side, {})]
        arm_steps = [arm.get("headers", {}).get(side, {}) for arm in arms]
        if len(arms) == 1:
            steps += arm_steps
        elif any(arm_steps):
            made[f"arm_{side}_edits"] = [  # type: ignore[literal-required]
                _edits([step]) if step else None for step in arm_steps
            ]
        if any(steps):
            made[f"{side}_edits"] = [_edits(steps)]  # type: ignore[literal-required]
    rewrite = rule.get("rewrite", {})
    authority = rewrite.get("authority") or _authority(own)
    if len(arms) == 1:
        authority = authority or authorities[0]
    elif any(authorities):
        made["arm_authorities"] = authorities
    if "route" in rule and (rewrite or authority):
        made["rewrite"] = _rewrite(rewrite, made["conditions"], authority)


def _edits(steps: list[Rule]) -> HeaderEditsData:
    def pairs(key: str) -> list[tuple[str, list[TemplatePart]]]:
        return [
            (name, _template(value))
            for step in steps
            for name, value in sorted(step.get(key, {}).items())
            if not _is_host(name)
        ]

    removed = [name for step in steps for name in step.get("remove", [])]
    return {"remove": removed, "set": pairs("set"), "add": pairs("add")}


def _is_host(name: str) -> bool:
    return name.lower() in ("host", ":authority")


def _authority(headers: Rule) -> str:
    request = headers.get("request", {})
    for key in ("set", "add"):
        for name, value in request.get(key, {}).items():
            if _is_host(name):
                return str(value)
    return ""


def _template(text: str) -> list[TemplatePart]:
    parts: list[TemplatePart] = []
    at = 0
    for found in _VARIABLE.finditer(text):
        if text[at : found.start()]:
            parts.append(text[at : found.start()])
        at = found.end()
        if found[0] == "%%":
            parts.append("%")
        else:
            length = int(found[4]) if found[4] else -1
            parts.append((found[1], (found[2] or "").lower(), (found[3] or "").lower(), length))
    return parts + ([text[at:]] if text[at:] else [])


def _rewrite(rewrite: Rule, conditions: list[ConditionData], authority: str) -> Any:
    made = {"kind": "none", "length": 0, "pattern": "", "value": "", "authority": authority}
    if "uriRegexRewrite" in rewrite:
        regex = rewrite["uriRegexRewrite"]
        return made | {"kind": "regex", "pattern": regex["match"], "value": regex["rewrite"]}
    if "uri" in rewrite:
        return made | _replaced(conditions, rewrite["uri"])
    return made


def _replaced(conditions: list[ConditionData], value: str) -> Any:
    for kind, _, how, prefix, _, _ in conditions:
        if kind == "uri":
            if how == "prefix":
                return {"kind": "prefix", "length": len(prefix), "value": value}
            return {"kind": "full", "value": value}
    return {"kind": "prefix", "length": 1, "value": value}


def _redirect(redirect: Rule, match: Rule) -> Any:
    none = {"kind": "none", "length": 0, "pattern": "", "value": "", "authority": ""}
    path = None
    if "uri" in redirect:
        path = none | {"kind": "full", "value": redirect["uri"]}
    elif "prefixRewrite" in redirect:
        path = none | _replaced(list(_conditions(match)), redirect["prefixRewrite"])
    return {
        "status": redirect["redirectCode"],
        "path": path,
        "scheme": redirect.get("scheme", ""),
        "authority": redirect.get("authority", ""),
        "port": redirect.get("port", -1),
    }


def _cors(policy: Rule) -> Any:
    origins = [(how, value) for origin in policy["allowOrigins"] for how, value in origin.items()]
    return {
        "origins": origins,
        "methods": ",".join(policy.get("allowMethods", [])),
        "headers": ",".join(policy.get("allowHeaders", [])),
        "expose": ",".join(policy.get("exposeHeaders", [])),
        "max_age": policy.get("maxAge", "")[:-1],
        "credentials": policy.get("allowCredentials", False),
        "ignore_unmatched": policy.get("unmatchedPreflights") == "IGNORE",
    }


def _ppm(item: Rule) -> int:
    return round(item.get("percentage", {}).get("value", 0) * 10_000)


def _ms(duration: str | None) -> int:
    return round(float(duration[:-1]) * 1000) if duration else 0
