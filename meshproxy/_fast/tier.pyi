from meshproxy.snapshot.model import WarmupData

def effective_weight(
    weight: int, warmup: WarmupData, first_seen_us: int, now_us: int
) -> float: ...
