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

    exact: str | None = None
    prefix: str | None = None
    regex: Regex | None = None

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

    name: str = ""
    uri: StringMatch | None = None
    ignore_uri_case: bool = False
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: dict[str, StringMatch] = Field(default_factory=dict)
    without_headers: dict[str, AbsentMatch] = Field(default_factory=dict)
    query_params: dict[str, StringMatch] = Field(default_factory=dict)
    port: Port | None = None
    source_labels: dict[str, str] = Field(default_factory=dict)
    source_namespace: str = ""
    gateways: list[str] = Field(default_factory=list)
    stat_prefix: str = ""

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
