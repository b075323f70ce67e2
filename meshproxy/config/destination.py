"""Destination of a route or a mirror: a host, perhaps a subset and a port of it."""

from __future__ import annotations

from .model import Model
from .scalar import Port


class PortSelector(Model):
    number: Port


class Destination(Model):
    host: str
    subset: str = ""
    port: PortSelector | None = None
