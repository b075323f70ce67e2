from typing import Any

from meshproxy._fast.intake import Intake
from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.snapshot.model import ListenerData, SnapshotData

class Binding:
    is_tcp: bool
    virtual_host: int
    cluster: int
    def __init__(self, data: ListenerData | None = None) -> None: ...

class Snapshot:
    """Generation 0 is empty; `apply` makes the next from SnapshotData, whole or delta."""

    generation: int
    retired: list[Any]
    def __init__(self, scoreboard: Scoreboard | None = None, worker: int = 1) -> None: ...
    def apply(self, update: SnapshotData, now_us: int = 0) -> Snapshot: ...
    def decide(
        self,
        head: bytes,
        listener: int = -1,
        seed: int = 0,
        source_ip: bytes = b"",
        is_live: bool = False,
        intake: Intake | None = None,
    ) -> dict[str, Any]: ...
    def decide_connection(
        self,
        data: ListenerData,
        seed: int = 0,
        source_ip: bytes = b"",
        is_live: bool = False,
    ) -> dict[str, Any]: ...
    def cluster_endpoints(self, cluster_id: int) -> list[tuple[str, str, bool]]: ...
