"""Where a request's hash comes from (ISTIO 2.5, 3.7)."""

from __future__ import annotations

from meshproxy.export.note import Json
from meshproxy.snapshot.model import CookieData, HashPolicyData


def hash_policy_of(policy: HashPolicyData, cookies: dict[str, CookieData]) -> Json:
    """`cookies` are those that the proxy makes when they are missing."""
    kind, name = policy
    if kind == "header":
        return {"header": {"header_name": name}}
    if kind == "cookie":
        return {"cookie": {"name": name, **_made(cookies.get(name))}}
    if kind == "query":
        return {"query_parameter": {"name": name}}
    return {"connection_properties": {"source_ip": True}}


def _made(cookie: CookieData | None) -> Json:
    if cookie is None:
        return {}
    made: Json = {"ttl": f"{cookie['ttl_s']}s"}
    if cookie["path"]:
        made["path"] = cookie["path"]
    if cookie["attributes"]:
        made["attributes"] = [
            {"name": name, "value": value} for name, value in cookie["attributes"]
        ]
    return made
