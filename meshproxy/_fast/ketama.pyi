from collections.abc import Sequence

def build_ring(
    keys: Sequence[bytes], weights: Sequence[int], minimum: int = 1024, maximum: int = 8388608
) -> tuple[bytes, bytes]: ...
def ring_of_shares(
    keys: Sequence[bytes], shares: Sequence[float], minimum: int, maximum: int
) -> tuple[bytes, bytes]: ...
def ring_moved(
    hashes: bytes, owners: bytes, new_hashes: bytes, new_owners: bytes, names: Sequence[int]
) -> float: ...
