"""Rewrites and redirects (ISTIO 1.11, 1.12)."""

from __future__ import annotations

from meshproxy.export.note import Json, Notes
from meshproxy.snapshot.model import ConditionData, RedirectData, RewriteData

_STATUS = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}


def rewrite_of(rewrite: RewriteData, conditions: list[ConditionData]) -> Json:
    """The path part; Envoy's prefix_rewrite replaces just what the path condition matched."""
    kind, value = rewrite["kind"], rewrite["value"]
    if kind == "none":
        return {}
    if kind == "regex":
        return _regex(rewrite["pattern"], value)
    if value and _matched(conditions) == (rewrite["length"] if kind == "prefix" else -1):
        return {"prefix_rewrite": value}
    literal = value.replace("\\", "\\\\")
    return _regex("^.*" if kind == "full" else f"^.{{0,{rewrite['length']}}}", literal)


def redirect_of(
    redirect: RedirectData, conditions: list[ConditionData], where: str, notes: Notes
) -> Json:
    made: Json = {}
    path = redirect["path"]
    if path is not None:
        full = path["kind"] == "full" and path["value"]
        made = {"path_redirect": path["value"]} if full else rewrite_of(path, conditions)
    if redirect["scheme"]:
        made["scheme_redirect"] = redirect["scheme"]
    if redirect["authority"]:
        made["host_redirect"] = redirect["authority"]
    if redirect["port"] > 0:
        made["port_redirect"] = redirect["port"]
    elif redirect["port"] == 0 and not redirect["authority"]:
        notes.add(f"{where}: Envoy keeps the port of the Host header in a redirect")
    if redirect["status"] in _STATUS:
        made["response_code"] = _STATUS[redirect["status"]]
    else:
        notes.add(f"{where}: Envoy cannot redirect with {redirect['status']}, only with 301")
    return made


def _matched(conditions: list[ConditionData]) -> int:
    """Bytes of the path that Envoy holds for matched; -1 = all of it."""
    for kind, _, how, value, _, _ in conditions:
        if kind == "uri":
            return len(value.encode()) if how == "prefix" else -1
    return 1


def _regex(pattern: str, substitution: str) -> Json:
    return {"regex_rewrite": {"pattern": {"regex": pattern}, "substitution": substitution}}
