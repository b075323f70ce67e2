"""HAProxy as the distribution packages it, one thread."""

from __future__ import annotations

from benchmarks.peers.peer import MissingError, Peer, Site, install, output, which


class HAProxy(Peer):
    name = "haproxy"

    def version(self) -> str:
        return output(_binary(), "-v").splitlines()[0]

    def command(self, site: Site) -> list[str]:
        return [_binary(), "-db", "-f", str(install("haproxy.cfg", site))]


def _binary() -> str:
    binary = which("haproxy")
    if binary is None:
        raise MissingError("haproxy is not installed: apt install haproxy")
    return binary
