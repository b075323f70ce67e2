"""An HTTP/1.1 client on one keep-alive connection: what it sends and who answered."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from meshproxy.demo.error import DemoError

TIMEOUT_S = 10.0


class Client:
    """One connection to a listener of the proxy; `async with` opens and closes it."""

    def __init__(self, port: int, host: str) -> None:
        self._port = port
        self._host = host

    async def __aenter__(self) -> Self:
        try:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError as error:
            raise DemoError(f"cannot connect to the proxy: {error.strerror}") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    async def get(self, path: str = "/", **headers: str) -> str:
        """Give the name of the pod that answered. A header `x_user` is sent as `x-user`."""
        lines = [f"GET {path} HTTP/1.1", f"host: {self._host}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._read_pod(path)
        except TimeoutError as error:
            raise DemoError(f"GET {path}: no answer in {TIMEOUT_S:.0f} s") from error
        except (OSError, EOFError) as error:
            raise DemoError(f"GET {path}: the connection ended before the answer") from error

    async def _read_pod(self, path: str) -> str:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.rstrip().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines)
        body = await self._reader.readexactly(int(fields["content-length"]))
        if status.split()[1] != "200":
            raise DemoError(f"GET {path}: {status}: {body.decode(errors='replace').strip()}")
        return body.decode().strip()
