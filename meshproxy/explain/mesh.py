"""The mesh of some manifests, in process: `route` decides as the proxy does, without sockets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

from meshproxy._fast.snapshot import Snapshot
from meshproxy.config.problem import Problem
from meshproxy.explain.decision import Arm, Decision, Rejection
from meshproxy.explain.request import RequestView
from meshproxy.manifests import load_manifests
from meshproxy.snapshot.build import Builder
from meshproxy.snapshot.model import ConditionData, HashPolicyData, RouteData, SnapshotData
from meshproxy.snapshot.registry import Scope

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


class Mesh:
    """An immutable snapshot to ask questions of. `problems` are the verdicts of its manifests."""

    def __init__(self, builder: Builder, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        self._origins = builder.origins
        self._data: SnapshotData = builder.snapshot
        self._compiled = Snapshot().apply(self._data)

    @classmethod
    def from_files(
        cls,
        paths: Sequence[str | PathLike[str]],
        namespace: str = "default",
        source_labels: Mapping[str, str] | None = None,
    ) -> Mesh:
        """Read manifests as `meshproxy run -f` does; `source_labels` are those of the pod that
        sends the requests. Raises ConfigError if nothing is usable."""
        builder = Builder(scope=Scope(namespace, labels=source_labels or {}))
        return cls(builder, load_manifests(builder, paths))

    def route(self, method: str, url: str, headers: Headers = (), seed: int = 0) -> Decision:
        """Decide for one request. `seed` draws the split and the pick. Raises ValueError."""
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        request = RequestView.parse(method, url, pairs)
        answer = self._compiled.decide(request.head(), seed=seed)
        return self._describe(request, answer)

    def _describe(self, request: RequestView, answer: dict[str, Any]) -> Decision:
        host = self._data["virtual_hosts"].get(answer["virtual_host_id"])
        routes = host["routes"] if host is not None else []
        index: int = answer["route_index"]
        route = routes[index] if index >= 0 else None
        return Decision(
            outcome=answer["outcome"],
            virtual_service=(route["virtual_service"] or None) if route is not None else None,
            route=_label(route) if route is not None else None,
            cluster=answer["cluster"] or None,
            endpoint=answer["endpoint"],
            split=_split(route) if route is not None else (),
            timeout_ms=route["timeout_ms"] if route is not None else 0,
            retries=_retries(route),
            hash_key=_hash_key(request, route) if answer["hash"] is not None else None,
            rejected=tuple(_rejections(request, routes, answer["rejected"], route)),
            generation=self._data["generation"],
            virtual_host=answer["virtual_host"],
            pod=answer["endpoint_name"] or None,
            origin=self._locate(route) if route is not None else None,
            detail=answer.get("detail"),
        )

    def _locate(self, route: RouteData) -> str | None:
        origin = self._origins.route(route)
        return str(origin) if origin is not None else None


def _label(route: RouteData) -> str | int:
    return route["name"] or route["rule"]


def _retries(route: RouteData | None) -> int:
    retry = route.get("retry") if route is not None else None
    return retry["attempts"] if retry is not None else 0


def _split(route: RouteData) -> tuple[Arm, ...]:
    return tuple(
        Arm(name, weight)
        for name, (_, weight) in zip(route["cluster_names"], route["clusters"], strict=True)
    )


def _rejections(
    request: RequestView,
    routes: list[RouteData],
    failed: list[tuple[int, int]],
    winner: RouteData | None,
) -> Iterable[Rejection]:
    """One per rule: a rule has a route for each of its matches, and all of them failed."""
    reasons: dict[tuple[str, int], tuple[str | int, list[str]]] = {}
    for index, condition in failed:
        route = routes[index]
        rule = (route["virtual_service"], route["rule"])
        if winner is not None and rule == (winner["virtual_service"], winner["rule"]):
            continue
        reason = _reason(request, route["conditions"][condition])
        reasons.setdefault(rule, (_label(route), []))[1].append(reason)
    return [Rejection(label, "; ".join(texts)) for label, texts in reasons.values()]


def _reason(request: RequestView, condition: ConditionData) -> str:
    """The first condition that failed, and the value it saw."""
    kind, name, how, expected, ignores_case, is_inverted = condition
    subject = f"{kind} {name}" if name else kind
    wanted = how if how == "present" else f'{how} "{expected}"'
    if ignores_case:
        wanted += " (ignoring case)"
    if is_inverted:
        wanted = f"not {wanted}"
    found = request.value(kind, name)
    seen = "nothing" if found is None else f'"{found}"'
    return f"{subject}: expected {wanted}, found {seen}"


def _hash_key(request: RequestView, route: RouteData | None) -> str | None:
    """The text behind the hash: the value of each policy that found one."""
    if route is None:
        return None
    keys = [_policy_value(request, policy) for policy in route["hash_policies"]]
    return ",".join(key for key in keys if key is not None) or None


def _policy_value(request: RequestView, policy: HashPolicyData) -> str | None:
    kind, name = policy
    if kind == "cookie":
        crumbs = (request.value("header", "cookie") or "").split(";")
        pairs = (crumb.strip().partition("=") for crumb in crumbs)
        return next((value for key, _, value in pairs if key == name), None)
    if kind == "source_ip":
        return "source IP"
    return request.value(kind, name.lower() if kind == "header" else name)
