"""Conditions of a route as Envoy's route match (ISTIO 1.9)."""

from __future__ import annotations

from meshproxy.export.note import Json, Notes
from meshproxy.snapshot.model import ConditionData

_PSEUDO = {"method": ":method", "authority": ":authority", "scheme": ":scheme"}


def match_of(conditions: list[ConditionData], where: str, notes: Notes) -> Json:
    path: Json = {}
    headers, queries = [], []
    for condition in conditions:
        kind, name, _, _, _, is_inverted = condition
        if kind == "uri":
            if path or is_inverted:
                notes.add(f"{where}: Envoy has one path condition, not inverted; one is left out")
                continue
            path = _path(condition)
        elif kind == "query":
            if is_inverted:
                notes.add(f"{where}: Envoy cannot invert the query condition on {name}")
                continue
            queries.append({"name": name, **_value(condition)})
        else:
            headers.append(_header(_PSEUDO.get(kind, name), condition))
    made: Json = path or {"prefix": "/"}
    if headers:
        made["headers"] = headers
    if queries:
        made["query_parameters"] = queries
    return made


def string_of(how: str, value: str) -> Json:
    """Envoy's StringMatcher; not for `present`."""
    return {"safe_regex": {"regex": value}} if how == "regex" else {how: value}


def _path(condition: ConditionData) -> Json:
    _, _, how, value, ignores_case, _ = condition
    if how == "regex":
        return {"safe_regex": {"regex": value}}
    made: Json = {"path" if how == "exact" else "prefix": value}
    if how == "present":
        made = {"prefix": "/"}
    elif ignores_case:
        made["case_sensitive"] = False
    return made


def _header(name: str, condition: ConditionData) -> Json:
    made: Json = {"name": name, **_value(condition)}
    if condition[5]:
        made["invert_match"] = True
        if "string_match" in made:
            made["treat_missing_header_as_empty"] = True
    return made


def _value(condition: ConditionData) -> Json:
    _, _, how, value, _, _ = condition
    if how == "present" or (how == "prefix" and not value):
        return {"present_match": True}
    return {"string_match": string_of(how, value)}
