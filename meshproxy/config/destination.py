"""Destination of a route or a mirror: a host, perhaps a subset and a port of it."""

from __future__ import annotations

from pydantic import Field

from .model import Model
from .scalar import Port


class PortSelector(Model):
    number: Port = Field(description="Port of the service.")


class Destination(Model):
    host: str = Field(
        description="Host of one service; a short name is a Service of the rule's own namespace.",
    )
    subset: str = Field(
        default="", description="Name of a subset that a DestinationRule of the host defines."
    )
    port: PortSelector | None = Field(
        default=None, description="Default: the only port, else that of the request."
    )
