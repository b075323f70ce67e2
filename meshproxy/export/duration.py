"""Durations as protobuf's JSON writes them."""

from __future__ import annotations


def seconds(milliseconds: int) -> str:
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole}.{rest:03d}s" if rest else f"{whole}s"
