"""How flags and their environment variables become values; errors teach the right form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from meshproxy.config.host import is_address
from meshproxy.listen import Address, parse_address

MAX_WORKERS = 64  # columns of a scoreboard


def parsed_by(parse: Callable[[str], object]) -> Callable[..., Any]:
    """A click callback that applies `parse` to the value, or to each of a repeated flag."""

    def convert(ctx: click.Context, param: click.Parameter, value: str | tuple[str, ...]) -> Any:
        try:
            return tuple(map(parse, value)) if isinstance(value, tuple) else parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from error

    return convert


def parse_admin(text: str) -> Address | None:
    """`ADDR:PORT` or `off`, which is None."""
    if text == "off":
        return None
    try:
        return parse_address(text)
    except ValueError as error:
        raise ValueError(f"{error}, or off") from error


def parse_workers(text: str) -> int:
    """A number, or `auto` for the CPUs this process may use."""
    if text == "auto":
        from meshproxy.server.cpus import available_cpus

        return min(available_cpus(), MAX_WORKERS)
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= MAX_WORKERS:
        raise ValueError(f"expected a number from 1 to {MAX_WORKERS}, or auto, found {text!r}")
    return int(text)


def parse_header(text: str) -> tuple[str, str]:
    """`name: value`."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise ValueError(f"expected 'name: value', found {text!r}")
    return name.strip(), value.strip()


def parse_label(text: str) -> tuple[str, str]:
    """`key=value`."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError(f"expected key=value, found {text!r}")
    return key, value


def parse_addresses(text: str) -> tuple[str, list[str]]:
    """`name=address,address`."""
    name, equals, rest = text.partition("=")
    addresses = rest.split(",")
    if not equals or not name or not all(is_address(address) for address in addresses):
        raise ValueError(f"expected NAME=ADDRESS[,ADDRESS]..., found {text!r}")
    return name, addresses


def parse_source(text: str) -> str:
    """An IP address; "" is unknown."""
    if text and not is_address(text):
        raise ValueError(f"expected an IP address, found {text!r}")
    return text


def parse_labels(text: str) -> dict[str, str]:
    """`key=value,key=value`."""
    return dict(parse_label(item.strip()) for item in text.split(",") if item.strip())
