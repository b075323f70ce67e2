from collections.abc import Iterable
from typing import Any

from meshproxy.errors import MeshproxyError

FRAMINGS: dict[int, str]

class ProtocolError(MeshproxyError):
    """Bytes that are refused: the status of the answer (0 for a response or a body) and its detail."""

    status: int
    detail: str
    def __init__(self, status: int, detail: str) -> None: ...

def parse_request(data: bytes, limit: int = 61440) -> dict[str, Any] | None: ...
def parse_response(
    data: bytes, method: bytes = b"GET", limit: int = 61440
) -> dict[str, Any] | None: ...
def decode_chunked(pieces: Iterable[bytes]) -> tuple[bytes, bytes, bool]: ...
def encode_chunk_head(n: int) -> bytes: ...
def encode_request(data: bytes, timeout_us: int = 0) -> bytes | None: ...
def encode_response(
    data: bytes, method: bytes = b"GET", http10: bool = False
) -> bytes | None: ...
