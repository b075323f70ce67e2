"""How flags and their environment variables become values; errors teach the right form."""

from __future__ import annotations

import re
from typing import Any

import click

from meshproxy.listen import Address, ListenSpec, parse_address, parse_listen

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


class ListenType(click.ParamType):
    """`ADDR:PORT[=SERVICE:PORT[/tcp]]`."""

    name = "ADDR:PORT[=SERVICE:PORT[/tcp]]"

    def convert(self, value: Any, param: Any, ctx: Any) -> ListenSpec:
        try:
            return value if isinstance(value, ListenSpec) else parse_listen(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class AdminType(click.ParamType):
    """`ADDR:PORT` or `off`, which is None."""

    name = "ADDR:PORT|off"

    def convert(self, value: Any, param: Any, ctx: Any) -> Address | str:
        if isinstance(value, Address) or value == "off":
            return value
        try:
            return parse_address(value)
        except ValueError as error:
            self.fail(f"{error}, or off", param, ctx)


class WorkersType(click.ParamType):
    """A number, or `auto` for the CPUs this process may use."""

    name = "N|auto"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        if isinstance(value, int):
            return value
        if value == "auto":
            from meshproxy.server.cpus import available_cpus

            return min(available_cpus(), 64)
        if not value.isdigit() or not 1 <= int(value) <= 64:
            self.fail(f"expected a number from 1 to 64, or auto, found {value!r}", param, ctx)
        return int(value)


class DurationType(click.ParamType):
    """`250ms`, `5s`, `1m`: milliseconds."""

    name = "DURATION"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        if isinstance(value, int):
            return value
        match = _DURATION.fullmatch(value)
        if match is None:
            self.fail(f'expected a duration such as "250ms" or "5s", found {value!r}', param, ctx)
        return round(float(match[1]) * _UNIT_MS[match[2]])


class HeaderType(click.ParamType):
    """`name: value`."""

    name = "NAME: VALUE"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, colon, text = value.partition(":")
        if not colon or not name.strip():
            self.fail(f"expected 'name: value', found {value!r}", param, ctx)
        return name.strip(), text.strip()


class LabelType(click.ParamType):
    """`key=value`."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, text = value.partition("=")
        if not equals or not key:
            self.fail(f"expected key=value, found {value!r}", param, ctx)
        return key, text
