"""HTTPMatchRequest of a VirtualService: which requests a rule takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, WrapValidator, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler

from .model import Model
from .scalar import Port, Regex, refuse

_FORMS = ("exact", "prefix", "regex")


class StringMatch(Model):
    """At most one of the three; none of them means "is present"."""

    exact: str | None = Field(default=None, description="The whole value, byte for byte.")
    prefix: str | None = Field(
        default=None, description="Its first bytes; `/foo` takes `/foobar` too."
    )
    regex: Regex | None = Field(
        default=None, description="RE2, the whole value; at most 1024 characters."
    )

    @model_validator(mode="after")
    def _one_form(self) -> StringMatch:
        found = [name for name in _FORMS if getattr(self, name) is not None]
        if len(found) > 1:
            raise refuse(
                "MP111", f"expected one of exact, prefix, regex, found {' and '.join(found)}"
            )
        return self

    @property
    def is_presence(self) -> bool:
        return self.exact is None and self.prefix is None and self.regex is None


def _or_star(value: object, check: ModelWrapValidatorHandler[StringMatch]) -> StringMatch:
    """Istio reads the regex `*`, which RE2 refuses, as presence, in withoutHeaders alone."""
    if isinstance(value, dict) and value.get("regex") == "*":
        return check({key: item for key, item in value.items() if key != "regex"})
    return check(value)


AbsentMatch = Annotated[StringMatch, WrapValidator(_or_star)]


class HttpMatch(Model):
    """All that is set must hold."""

    name: str = Field(default="", description="Added to the name of the rule in logs.")
    uri: StringMatch | None = Field(
        default=None, description="Path without its query, normalized."
    )
    ignore_uri_case: bool = Field(
        default=False, description="Case does not count in exact and prefix of uri."
    )
    scheme: StringMatch | None = Field(
        default=None, description="http or https, as X-Forwarded-Proto says; default http."
    )
    method: StringMatch | None = Field(default=None, description="Method, upper case.")
    authority: StringMatch | None = Field(
        default=None, description="Host header as it was sent, with its port."
    )
    headers: dict[str, StringMatch] = Field(
        default_factory=dict,
        description="By header name, without case; each line of a repeated header counts "
        "alone. `{}`: is present.",
    )
    without_headers: dict[str, AbsentMatch] = Field(
        default_factory=dict, description="None of these may hold; `{}`: must be absent."
    )
    query_params: dict[str, StringMatch] = Field(
        default_factory=dict,
        description="By name; the first one counts, as it was sent. `{}`: is present.",
    )
    port: Port | None = Field(default=None, description="Port of the service that was asked for.")
    source_labels: dict[str, str] = Field(
        default_factory=dict, description="Labels of the proxy (`--labels`)."
    )
    source_namespace: str = Field(
        default="", description="Namespace of the proxy (`--namespace`)."
    )
    gateways: list[str] = Field(
        default_factory=list,
        description="Holds if `mesh` is among them; sourceLabels and sourceNamespace then do "
        "not count.",
    )
    stat_prefix: str = Field(
        default="", description="Accepted; there are no metrics of single matches."
    )

    def strings(self) -> Iterator[tuple[str, StringMatch]]:
        """Give the single string conditions that are set, by field name."""
        for name in ("uri", "scheme", "method", "authority"):
            condition = getattr(self, name)
            if condition is not None:
                yield name, condition


def is_catch_all(match: HttpMatch) -> bool:
    """Tell whether a match entry accepts every request of every caller and port."""
    return (
        (match.uri is None or matches_any_path(match.uri))
        and match.scheme is None
        and match.method is None
        and match.authority is None
        and match.port is None
        and not (match.headers or match.without_headers or match.query_params)
        and not (match.source_labels or match.source_namespace or match.gateways)
    )


def matches_any_path(uri: StringMatch) -> bool:
    """A path always starts with a slash."""
    return uri.prefix in ("", "/") or uri.regex in (".*", "/.*") or uri.is_presence
