"""loadBalancer of a DestinationRule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .locality_setting import LocalitySetting
from .model import Model, pending
from .scalar import DurationMs, DurationOrZeroMs, refuse

DEFAULT_RING_SIZE = 1024  # Istio and Envoy
MAX_RING_SIZE = 8_388_608  # Envoy's maximum_ring_size
DEFAULT_TABLE_SIZE = 65_537  # Envoy's Maglev
HASH_KEYS = ("httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName")
RingSize = Annotated[int, Field(ge=0, le=MAX_RING_SIZE)]


class RingHash(Model):
    minimum_ring_size: RingSize = Field(
        default=0, description="Least number of points on the ring; 0 = 1024."
    )


class Maglev(Model):
    table_size: int | None = Field(default=None, description="A prime below 5000011.")


class CookieAttribute(Model):
    name: str = Field(description="Such as SameSite.")
    value: str = Field(default="", description="Its value, if it has one.")


class HttpCookie(Model):
    name: str = Field(default="", description="Its value is hashed.")
    path: str = Field(default="", description="Path of the cookie that is made; empty = none.")
    ttl: DurationOrZeroMs | None = Field(
        default=None,
        description="Set (even to 0s): a request without the cookie gets one; its life time.",
    )
    attributes: list[CookieAttribute] = Field(
        default_factory=list, description="Further attributes of the cookie that is made."
    )


class ConsistentHash(Model):
    """What is hashed, and onto what. At most one key; without any, every hash is random."""

    http_header_name: str | None = Field(default=None, description="Hash all values of a header.")
    http_cookie: HttpCookie | None = Field(default=None, description="Hash the value of a cookie.")
    use_source_ip: bool = Field(default=False, description="Hash the client's address.")
    http_query_parameter_name: str | None = Field(
        default=None, description="Hash the first value of a query parameter."
    )
    ring_hash: RingHash | None = Field(default=None, description="Envoy's ketama ring (default).")
    maglev: Maglev | None = Field(default=None, description="Envoy's Maglev table.")
    minimum_ring_size: RingSize | None = Field(
        default=None, description="Deprecated: ringHash.minimumRingSize."
    )

    @model_validator(mode="after")
    def _exclusive(self) -> ConsistentHash:
        present = [key for key, value in zip(HASH_KEYS, self._keys(), strict=True) if value]
        if len(present) > 1:
            raise refuse("MP111", f"expected one hash key, found {' and '.join(present)}")
        if self.http_header_name == "":
            raise refuse("MP104", "expected a header name in httpHeaderName, found an empty one")
        if self.http_query_parameter_name == "":
            raise refuse("MP104", "expected a name in httpQueryParameterName, found an empty one")
        if self.ring_hash is not None and self.maglev is not None:
            raise refuse("MP111", "expected ringHash or maglev, found both")
        if self.minimum_ring_size and (self.ring_hash or self.maglev):
            raise refuse("MP111", "expected ringHash or minimumRingSize, found both")
        return self

    def _keys(self) -> tuple[bool, ...]:
        return (
            self.http_header_name is not None,
            self.http_cookie is not None,
            self.use_source_ip,
            self.http_query_parameter_name is not None,
        )

    @property
    def has_key(self) -> bool:
        return any(self._keys())

    @property
    def ring_size(self) -> int:
        """The least number of points on the ring."""
        given = self.ring_hash.minimum_ring_size if self.ring_hash else self.minimum_ring_size
        return given or DEFAULT_RING_SIZE


class Warmup(Model):
    duration: DurationMs = Field(description="How long a new endpoint takes to its full share.")
    minimum_percent: float = Field(default=10.0, description="Share at the start, in percent.")
    aggression: float = Field(default=1.0, description="1 = in a straight line, more = sooner.")


class LoadBalancer(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending("zoneAwareLbSetting")
    simple: (
        Literal[
            "UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"
        ]
        | None
    ) = Field(
        default=None,
        description="LEAST_REQUEST (default; LEAST_CONN is an old name): the least requests in"
        " flight for its weight, of all workers; of more than 64 endpoints the less busy of two"
        " drawn. ROUND_ROBIN: in turn, by weight, counted for the whole proxy. RANDOM:"
        " weights do not count. PASSTHROUGH is not served: LEAST_REQUEST is used.",
    )
    consistent_hash: ConsistentHash | None = Field(
        default=None, description="The same key keeps its endpoint."
    )
    locality_lb_setting: LocalitySetting | None = Field(
        default=None, description="Localities that serve; replaces the default setting as a whole."
    )
    warmup_duration_secs: DurationMs | None = Field(
        default=None, description="Deprecated: warmup.duration."
    )
    warmup: Warmup | None = Field(
        default=None, description="New endpoints start slowly (ROUND_ROBIN and LEAST_REQUEST)."
    )

    @model_validator(mode="after")
    def _one_policy(self) -> LoadBalancer:
        if self.simple is not None and self.consistent_hash is not None:
            raise refuse("MP111", "expected simple or consistentHash, found both")
        return self
