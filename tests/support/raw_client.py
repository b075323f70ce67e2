"""A client that sends exactly the bytes it is given and reads one response at a time."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from types import TracebackType

from support.wait import TIMEOUT_S


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes


class RawClient:
    """One connection."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.sock = socket.create_connection((host, port), TIMEOUT_S)
        self._file = self.sock.makefile("rb")

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def get(self, host: str, path: str = "/", **headers: str) -> Response:
        self.send_get(host, path, **headers)
        return self.read_response()

    def send_get(self, host: str, path: str = "/", **headers: str) -> None:
        lines = [f"GET {path} HTTP/1.1", f"host: {host}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n")

    def read_response(self, method: str = "GET") -> Response:
        """The next response; ConnectionError when the other side closed instead."""
        line = self._file.readline()
        if not line:
            raise ConnectionError("closed before a response")
        status = int(line.split()[1])
        headers: dict[str, str] = {}
        while (line := self._file.readline().rstrip(b"\r\n")) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return Response(status, headers, self._read_body(method, status, headers))

    def is_closed(self) -> bool:
        """Wait for the next byte or the end; True when it is the end."""
        return self._file.read(1) == b""

    def _read_body(self, method: str, status: int, headers: dict[str, str]) -> bytes:
        if method == "HEAD" or status in (204, 304) or status < 200:
            return b""
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self._file.readline(), 16):
                body += self._file.read(size)
                self._file.readline()
            self._file.readline()
            return body
        if "content-length" in headers:
            return self._file.read(int(headers["content-length"]))
        return self._file.read()
