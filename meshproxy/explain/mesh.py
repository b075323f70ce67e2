"""The mesh of some manifests, in process: `route` decides as the proxy does, without sockets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from meshproxy.config.problem import Problem
from meshproxy.discovery.entries import name_of
from meshproxy.discovery.resolution import Resolution
from meshproxy.explain.connection import ConnectionDecision
from meshproxy.explain.decision import Decision
from meshproxy.explain.explainer import Explainer
from meshproxy.explain.request import RequestView
from meshproxy.manifests import Paths, load_manifests
from meshproxy.snapshot.build import Builder
from meshproxy.snapshot.intake import IntakeOptions
from meshproxy.snapshot.scope import Scope

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


class Mesh:
    """An immutable snapshot to ask questions of. `problems` are the verdicts of its manifests."""

    def __init__(
        self,
        builder: Builder,
        problems: Sequence[Problem],
        scope: Scope,
        intake: IntakeOptions | None = None,
    ) -> None:
        self.problems = tuple(problems)
        self._explainer = Explainer(
            builder.snapshot, manifests=builder, scope=scope, intake=intake
        )

    @classmethod
    def from_files(
        cls,
        paths: Paths,
        namespace: str = "default",
        source_labels: Mapping[str, str] | None = None,
        locality: str = "",
        addresses: Mapping[str, Sequence[str]] | None = None,
        intake: IntakeOptions | None = None,
    ) -> Mesh:
        """Read manifests as `meshproxy run -f` does; `source_labels` and `locality`
        ("region/zone/subzone") are those of the pod that sends the requests. `addresses` are what
        DNS names resolve to: nothing is looked up. `intake`: what flags of the proxy make of a
        request's head. Raises ConfigError if nothing is usable."""
        scope = Scope(namespace, labels=source_labels or {}, locality=locality)
        builder = Builder(scope=scope)
        problems = load_manifests(builder, paths)
        if addresses:
            _, problems = builder.resolve(
                {name_of(name): Resolution(tuple(found)) for name, found in addresses.items()}
            )
        return cls(builder, problems, scope, intake)

    def connect(self, url: str, seed: int = 0, source_ip: str = "") -> ConnectionDecision:
        """Decide for one connection, `tcp://redis.cache:6379`, as `route` does for a request; it
        comes from a client that has no affinity yet. Raises ValueError."""
        return self._explainer.ask_connection(url, seed, source_ip)

    def route(
        self,
        method: str,
        url: str,
        headers: Headers = (),
        seed: int = 0,
        source_ip: str = "",
    ) -> Decision:
        """Decide for one request. Raises ValueError.

        The same arguments give the same decision. `seed` is the request's number: 0, 1, 2, ...
        give what the first, second, third request of its rule gets from a proxy that has just
        started and that nothing else asks, so 100 seeds in a row show a 99/1 split as 99 and 1
        and round robin in turn. It also draws what is random: RANDOM, fault percentages,
        mirror percentages.
        """
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        return self._explainer.ask(RequestView.parse(method, url, pairs), seed, source_ip)
