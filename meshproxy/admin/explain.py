"""`/explain`: what the running proxy would do with a request at this moment, and why."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from meshproxy.telemetry.status import ProxyStatus

if TYPE_CHECKING:
    from meshproxy.explain.connection import ConnectionDecision
    from meshproxy.explain.decision import Decision
    from meshproxy.explain.explainer import Explainer
    from meshproxy.explain.source import Manifests

_PARAMETERS = frozenset({"url", "method", "header", "seed", "source_ip", "format"})
_USAGE = "expected /explain?url=http://reviews:9080/path[&method=GET][&header=name:value]..."


@runtime_checkable
class HasManifests(Protocol):
    """A proxy that knows what its snapshot was compiled from."""

    @property
    def manifests(self) -> Manifests: ...


class ExplainPage:
    """Holds the compiled form of the last snapshot it was asked about: the control process has
    none otherwise."""

    def __init__(self, proxy: ProxyStatus) -> None:
        self._proxy = proxy
        self._explainer: Explainer | None = None

    async def __call__(self, request: Request) -> Response:
        explainer = self._explainer
        if explainer is None or explainer.data is not self._proxy.snapshot:
            explainer = self._explainer = self._compile()
        try:
            decision = _ask(explainer, request)
        except ValueError as error:
            return PlainTextResponse(f"{error}\n", status_code=400)
        if _wants_json(request):
            text = json.dumps(decision.to_dict(), indent=1)
            return Response(text + "\n", media_type="application/json")
        return PlainTextResponse(_text(decision))

    def _compile(self) -> Explainer:
        from meshproxy.explain.explainer import Explainer

        proxy = self._proxy
        manifests = proxy.manifests if isinstance(proxy, HasManifests) else None
        return Explainer(proxy.snapshot, proxy.scoreboard, manifests, intake=proxy.intake)


def _text(decision: Decision | ConnectionDecision) -> str:
    from meshproxy.explain.connection import ConnectionDecision
    from meshproxy.explain.connection_text import describe_connection
    from meshproxy.explain.text import describe

    if isinstance(decision, ConnectionDecision):
        return describe_connection(decision)
    return describe(decision)


def _ask(explainer: Explainer, request: Request) -> Decision | ConnectionDecision:
    from meshproxy.explain.connection import SCHEME
    from meshproxy.explain.request import RequestView

    given = request.query_params
    unknown = sorted(set(given) - _PARAMETERS)
    if unknown:
        raise ValueError(f"{_USAGE}, found the parameter {unknown[0]!r}")
    if "url" not in given:
        raise ValueError(f"{_USAGE}, found no url")
    seed = given.get("seed", "")
    if seed and not (seed.isascii() and seed.isdigit()):
        raise ValueError(f"expected a number in seed, found {seed!r}")
    number = int(seed) if seed else secrets.randbits(64)
    source_ip = given.get("source_ip", "")
    if given["url"].startswith(SCHEME):
        return explainer.ask_connection(given["url"], number, source_ip)
    headers = [_header(text) for text in given.getlist("header")]
    view = RequestView.parse(given.get("method", "GET"), given["url"], headers)
    return explainer.ask(view, number, source_ip)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ValueError(f"expected header=name:value, found {text!r}")
    return name.strip(), value.strip()


def _wants_json(request: Request) -> bool:
    asked = request.query_params.get("format")
    if asked is not None:
        return asked == "json"
    return "application/json" in request.headers.get("accept", "")
