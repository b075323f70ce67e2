"""The hash in place equals the package's."""

from __future__ import annotations

from types import ModuleType

from hypothesis import given
from hypothesis import strategies as st
from property.profile import bounded
from xxhash import xxh64_intdigest


def test_every_length_equals_the_package(probe: ModuleType) -> None:
    data = bytes(range(256)) * 2
    for size in range(300):
        for seed in (0, 1, 2**64 - 1):
            assert probe.hash64(data[:size], seed) == xxh64_intdigest(data[:size], seed), size


@bounded(200)
@given(data=st.binary(max_size=200), seed=st.integers(0, 2**64 - 1))
def test_any_bytes_and_seed_equal_the_package(probe: ModuleType, data: bytes, seed: int) -> None:
    assert probe.hash64(data, seed) == xxh64_intdigest(data, seed)
