"""A route: match, action, header operations, per-route filter settings."""

from __future__ import annotations

from meshproxy.export.duration import seconds
from meshproxy.export.filter import filters_of, millionths
from meshproxy.export.hash_policy import hash_policy_of
from meshproxy.export.header import edits_of
from meshproxy.export.match import match_of
from meshproxy.export.note import Json, Notes
from meshproxy.export.retry import retry_of
from meshproxy.export.rewrite import redirect_of, rewrite_of
from meshproxy.snapshot.model import DirectResponseData, RouteData


def route_of(route: RouteData, notes: Notes) -> Json:
    where = f"{route['virtual_service'] or 'default'} rule {route['rule']}"
    made: Json = {
        **({"name": route["name"]} if route["name"] else {}),
        "match": match_of(route["conditions"], where, notes),
    }
    if "redirect" in route:
        conditions = route["conditions"]
        made["redirect"] = redirect_of(route["redirect"], conditions, where, notes)
    elif "direct_response" in route:
        made["direct_response"] = _direct(route["direct_response"])
    else:
        made["route"] = _action(route, where, notes)
        if filters := filters_of(route):
            made["typed_per_filter_config"] = filters
    made |= edits_of("request", route.get("request_edits", []), where, notes)
    made |= edits_of("response", route.get("response_edits", []), where, notes)
    return made


def _action(route: RouteData, where: str, notes: Notes) -> Json:
    made: Json = _target(route, where, notes)
    made["timeout"] = seconds(route["timeout_ms"])
    if "rewrite" in route:
        made |= rewrite_of(route["rewrite"], route["conditions"])
        if route["rewrite"]["authority"]:
            made["host_rewrite_literal"] = route["rewrite"]["authority"]
    if "retry" in route and route["retry"]["attempts"] > 0:
        made["retry_policy"] = retry_of(route["retry"])
    if route["hash_policies"]:
        cookies = {cookie["name"]: cookie for cookie in route.get("cookies", [])}
        made["hash_policy"] = [hash_policy_of(item, cookies) for item in route["hash_policies"]]
    mirrors = [mirror for mirror in route.get("mirrors", []) if mirror["ppm"] > 0]
    if mirrors:
        made["request_mirror_policies"] = [
            {
                "cluster": mirror["name"],
                "runtime_fraction": {"default_value": millionths(mirror["ppm"])},
                "disable_shadow_host_suffix_append": True,
            }
            for mirror in mirrors
        ]
    return made


def _target(route: RouteData, where: str, notes: Notes) -> Json:
    """`cluster`, or `weighted_clusters` as soon as an arm has something of its own."""
    count = len(route["clusters"])
    requests = route.get("arm_request_edits") or [None] * count
    responses = route.get("arm_response_edits") or [None] * count
    authorities = route.get("arm_authorities") or [""] * count
    if count == 1 and not (requests[0] or responses[0] or authorities[0]):
        return {"cluster": route["cluster_names"][0]}
    arms = []
    for index, (_, weight) in enumerate(route["clusters"]):
        arm: Json = {"name": route["cluster_names"][index], "weight": weight}
        for side, edits in (("request", requests[index]), ("response", responses[index])):
            arm |= edits_of(side, [edits] if edits else [], where, notes)
        if authorities[index]:
            arm["host_rewrite_literal"] = authorities[index]
        arms.append(arm)
    return {"weighted_clusters": {"clusters": arms}}


def _direct(direct: DirectResponseData) -> Json:
    made: Json = {"status": direct["status"]}
    if direct["body"]:
        try:
            made["body"] = {"inline_string": direct["body"].decode()}
        except UnicodeDecodeError:
            made["body"] = {"inline_bytes": direct["body"]}
    return made
