from collections.abc import Sequence

def build_ring(
    keys: Sequence[bytes], weights: Sequence[int], minimum: int = 1024, maximum: int = 8388608
) -> tuple[bytes, bytes]: ...
