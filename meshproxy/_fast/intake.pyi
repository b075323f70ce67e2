from typing import Any

class Intake:
    """Built from `options`; what is absent has its default."""

    def __init__(self, options: dict[str, Any] | None = None) -> None: ...
