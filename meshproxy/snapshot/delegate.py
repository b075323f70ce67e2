"""A root rule and a rule of its delegate joined into one, as Istio does it."""

from __future__ import annotations

from collections.abc import Mapping

from meshproxy.config.http_match import HttpMatch, StringMatch
from meshproxy.config.http_route import HttpRoute

_STRINGS = ("uri", "scheme", "method", "authority")
_MAPS = ("headers", "without_headers", "query_params")
_FILLED = (
    "rewrite", "direct_response", "timeout", "retries", "fault", "mirror", "mirror_percent",
    "mirror_percentage", "cors_policy", "headers",
)  # fmt: skip


def join(root: HttpRoute, rule: HttpRoute) -> HttpRoute | None:
    """The delegate's rule as it applies under the root's; None when their matches exclude each
    other."""
    matches = _matches(root.match, rule.match)
    if matches is None:
        return None
    update: dict[str, object] = {"match": matches, "name": _name(root.name, rule.name)}
    for field in _FILLED:
        if getattr(rule, field) is None:
            update[field] = getattr(root, field)
    if not rule.mirrors:
        update["mirrors"] = root.mirrors
    return rule.model_copy(update=update)


def _name(root: str, own: str) -> str:
    return f"{root}-{own}" if root and own else root or own


def _matches(root: list[HttpMatch], own: list[HttpMatch]) -> list[HttpMatch] | None:
    if not root or not own:
        return own or root
    found: list[HttpMatch] = []
    for narrow in own:
        compatible = [wide for wide in root if not _excludes(wide, narrow)]
        if not compatible:
            return None
        found.extend(_match(wide, narrow) for wide in compatible)
    return found


def _match(root: HttpMatch, own: HttpMatch) -> HttpMatch:
    update: dict[str, object] = {"name": _name(root.name, own.name)}
    for field in (*_STRINGS, "port"):
        if getattr(own, field) is None:
            update[field] = getattr(root, field)
    for field in (*_MAPS, "source_labels"):
        update[field] = {**getattr(root, field), **getattr(own, field)}
    for field in ("source_namespace", "gateways", "stat_prefix"):
        update[field] = getattr(own, field) or getattr(root, field)
    return own.model_copy(update=update)


def _excludes(root: HttpMatch, own: HttpMatch) -> bool:
    if any(_strings_exclude(getattr(root, name), getattr(own, name)) for name in _STRINGS):
        return True
    if any(_maps_exclude(getattr(root, name), getattr(own, name)) for name in _MAPS):
        return True
    if root.ignore_uri_case != own.ignore_uri_case:
        return True
    if root.port is not None and own.port not in (None, root.port):
        return True
    if root.source_namespace and root.source_namespace != own.source_namespace:
        return True
    shared = root.source_labels.keys() & own.source_labels.keys()
    if any(root.source_labels[key] != own.source_labels[key] for key in shared):
        return True
    return bool(root.gateways and own.gateways and not set(own.gateways) <= set(root.gateways))


def _maps_exclude(root: Mapping[str, StringMatch], own: Mapping[str, StringMatch]) -> bool:
    return any(_strings_exclude(root.get(name), condition) for name, condition in own.items())


def _strings_exclude(root: StringMatch | None, own: StringMatch | None) -> bool:
    """Istio's stringMatchConflict: the delegate's condition must lie inside the root's."""
    if root is None or own is None:
        return False
    if root.exact:
        return root.exact != own.exact
    if root.prefix:
        named = own.prefix or own.exact
        return not named or not named.startswith(root.prefix)
    return True
