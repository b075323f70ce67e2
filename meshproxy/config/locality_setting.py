"""localityLbSetting of a DestinationRule: which localities serve, and in which order."""

from __future__ import annotations

from pydantic import Field

from .model import Model


class Distribute(Model):
    from_: str = Field(
        default="", alias="from", description="Locality of the proxy, `region/zone/*` and shorter."
    )
    to: dict[str, int] = Field(
        default_factory=dict, description="Percent of the traffic by locality; 100 in all."
    )


class Failover(Model):
    from_: str = Field(default="", alias="from", description="Region of the proxy.")
    to: str = Field(default="", description="Region that serves when it does not.")


class LocalitySetting(Model):
    enabled: bool = Field(default=True, description="false: localities do not count.")
    distribute: list[Distribute] = Field(
        default_factory=list,
        description="Share of each locality; a locality that is not named gets nothing.",
    )
    failover: list[Failover] = Field(
        default_factory=list,
        description="Which region comes after the proxy's own; needs outlierDetection.",
    )
    failover_priority: list[str] = Field(
        default_factory=list,
        description="Labels (`key`, or `key=value` instead of the proxy's own value): the more of"
        " them in a row an endpoint shares, the earlier it serves; needs outlierDetection.",
    )
