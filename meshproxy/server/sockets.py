"""The listening sockets of one control process: bound once, or inherited from the one before."""

from __future__ import annotations

import socket

from meshproxy.listen import Address, ListenSpec, bound_address, open_listener
from meshproxy.server.upgrade import Inheritance


class ListeningSockets:
    """Traffic listeners by id, and the admin's; open until `close`."""

    def __init__(
        self, listen: tuple[ListenSpec, ...], admin: Address | None, inherited: Inheritance
    ) -> None:
        """Open all of them or raise ListenError."""
        self.named: list[tuple[Address, socket.socket]] = []  # as asked for, in order of opening
        self.traffic = [self._open(spec.address, inherited) for spec in listen]
        self.admin = self._open(admin, inherited) if admin is not None else None
        inherited.close_unused()

    @property
    def addresses(self) -> list[Address]:
        return [bound_address(sock) for sock in self.traffic]

    def close_traffic(self) -> None:
        """Leave the listeners to whoever else holds them: nobody, or a successor."""
        for sock in self.traffic:
            sock.close()

    def close(self) -> None:
        for _, sock in self.named:
            sock.close()

    def _open(self, address: Address, inherited: Inheritance) -> socket.socket:
        sock = inherited.take(address) or open_listener(address)
        self.named.append((address, sock))
        return sock
