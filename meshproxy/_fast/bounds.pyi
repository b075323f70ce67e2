BOUNDS: dict[str, tuple[str, int, int, int]]
NAMES: tuple[str, ...]

def check_bound(name: str, number: int) -> None: ...
