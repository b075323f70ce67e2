"""Bytes in place are hashed as the package hashes a copy of them."""

from __future__ import annotations

from types import ModuleType

from xxhash import xxh64_intdigest


def test_span_and_seed_reach_the_package(probe: ModuleType) -> None:
    data = bytes(range(256))
    for size in (0, 1, 31, 32, 33, 256):
        for seed in (0, 1, 2**64 - 1):
            assert probe.hash64(data[:size], seed) == xxh64_intdigest(data[:size], seed), size
