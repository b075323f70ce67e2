"""The answer: a route, a cluster, an endpoint, and what was passed over on the way."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from meshproxy.explain.condition import failure
from meshproxy.explain.request import RequestView
from meshproxy.explain.rules import RuleStory, rule_stories
from meshproxy.snapshot.model import RouteData

if TYPE_CHECKING:
    from meshproxy.explain.explainer import Explainer
    from meshproxy.explain.story import Story

Outcome = Literal[
    "routed",
    "redirect",
    "direct_response",
    "no_route",
    "no_cluster",
    "no_healthy_upstream",
    "fault",
    "bad_request",
]


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a split."""

    cluster: str
    weight: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """A rule that was asked before the one that won."""

    route: str | int
    reason: str


class Decision:
    """What happens to one request. Property names are keys of `explain -o json`.

    Making one costs little; what only a reader wants is put together when it is read.
    """

    __slots__ = ("_answer", "_explainer", "request", "seed", "source_ip")

    def __init__(
        self,
        explainer: Explainer,
        answer: dict[str, Any],
        request: RequestView,
        seed: int,
        source_ip: str,
    ) -> None:
        self._explainer = explainer
        self._answer = answer  # as Snapshot.decide gives it
        self.request = request  # as it was asked
        self.seed = seed
        self.source_ip = source_ip  # "" = unknown

    @property
    def outcome(self) -> Outcome:
        outcome: Outcome = self._answer["outcome"]
        return outcome

    @property
    def status(self) -> int:
        """Of an answer that the proxy makes itself; 0 = the upstream answers."""
        status: int = self._answer["status"]
        return status

    @property
    def detail(self) -> str | None:
        """Why the proxy answers itself, in the word of the access log."""
        return self._answer["detail"] or None

    @property
    def virtual_host(self) -> str | None:
        name: str | None = self._answer["virtual_host"]
        return name

    @property
    def virtual_service(self) -> str | None:
        """ "namespace/name"; None = the service's default route."""
        route = self.route_data
        return (route["virtual_service"] or None) if route is not None else None

    @property
    def route(self) -> str | int | None:
        """The rule's name, else its index in spec.http."""
        route = self.route_data
        return (route["name"] or route["rule"]) if route is not None else None

    @property
    def cluster(self) -> str | None:
        return self._answer["cluster"] or None

    @property
    def endpoint(self) -> str | None:
        """ "10.0.0.1:8080"."""
        endpoint: str | None = self._answer["endpoint"]
        return endpoint

    @property
    def pod(self) -> str | None:
        """ "namespace/name" of the endpoint."""
        return self._answer["endpoint_name"] or None

    @property
    def split(self) -> tuple[Arm, ...]:
        route = self.route_data
        if route is None:
            return ()
        pairs = zip(route["cluster_names"], route["clusters"], strict=True)
        return tuple(Arm(name, weight) for name, (_, weight) in pairs if name)

    @property
    def timeout_ms(self) -> int:
        """0 = none."""
        route = self.route_data
        return route["timeout_ms"] if route is not None else 0

    @property
    def retries(self) -> int:
        route = self.route_data
        retry = route.get("retry") if route is not None else None
        return retry["attempts"] if retry is not None else 0

    @property
    def hash_key(self) -> str | None:
        """The text that chose the endpoint, for consistentHash."""
        route = self.route_data
        if route is None or self._answer["hash"] is None:
            return None
        keys: list[str] = []
        for kind, name in route["hash_policies"]:
            if kind == "source_ip":
                keys.append(self._answer["client"])
            else:
                keys += self.seen.values(kind, name)
        return ",".join(keys) or None

    @property
    def rejected(self) -> tuple[Rejection, ...]:
        """One per rule that was passed over, in order, with the reason of each of its matches."""
        return tuple(
            Rejection(rule.name or rule.rule, "; ".join(rule.reasons))
            for rule in self.rules()
            if rule.state in ("failed", "not_applicable")
        )

    @property
    def generation(self) -> int:
        return self._explainer.data["generation"]

    @property
    def origin(self) -> str | None:
        """ "file:line:column" of the rule."""
        route, sources = self.route_data, self._explainer.sources
        source = sources.rule(route) if sources is not None and route is not None else None
        return source.at if source is not None else None

    @property
    def route_data(self) -> RouteData | None:
        """The compiled route that won."""
        index: int = self._answer["route_index"]
        return self.routes[index] if index >= 0 else None

    @property
    def routes(self) -> list[RouteData]:
        """All routes of the virtual host."""
        host = self._explainer.data["virtual_hosts"].get(self._answer["virtual_host_id"])
        return host["routes"] if host is not None else []

    @property
    def seen(self) -> RequestView:
        """The request as rules see it: its path is normalized, and strangers are not believed."""
        target: str = self._answer["target"]
        if not target:
            return self.request
        return replace(self.request, path=target, headers=tuple(self._answer["fields"]))

    def failures(self) -> dict[tuple[str, int], list[str]]:
        """(virtual service, rule) -> the first condition of each of its matches that failed."""
        found: dict[tuple[str, int], list[str]] = {}
        for index, condition in self._answer["rejected"]:
            route = self.routes[index]
            reason = failure(route["conditions"][condition], self.seen)
            found.setdefault((route["virtual_service"], route["rule"]), []).append(reason)
        return found

    def rules(self) -> tuple[RuleStory, ...]:
        """Every rule of the virtual host, in order, and what became of it."""
        return tuple(rule_stories(self, self._explainer.sources, self._explainer.scope))

    def story(self) -> Story:
        """Everything there is to tell."""
        from meshproxy.explain.story import tell

        return tell(self, self._answer, self._explainer)

    def to_dict(self) -> dict[str, Any]:
        """Give plain data, ready for JSON."""
        data: dict[str, Any] = {
            "outcome": self.outcome,
            "status": self.status,
            "detail": self.detail,
            "virtual_host": self.virtual_host,
            "virtual_service": self.virtual_service,
            "route": self.route,
            "origin": self.origin,
            "cluster": self.cluster,
            "endpoint": self.endpoint,
            "pod": self.pod,
            "split": [asdict(arm) for arm in self.split],
            "timeout_ms": self.timeout_ms,
            "retries": self.retries,
            "hash_key": self.hash_key,
            "rejected": [asdict(item) for item in self.rejected],
            "generation": self.generation,
            "seed": self.seed,
        }
        data.update(asdict(self.story()))
        return data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decision) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        target = self.endpoint or f"{self.status} {self.detail}"
        return f"<Decision {self.outcome} route={self.route!r} {self.cluster} {target}>"
