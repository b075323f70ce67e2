"""The byte relay in C: no proxy can do less."""

from __future__ import annotations

from benchmarks import native
from benchmarks.peers.peer import MissingError, Peer, Site, output


class Floor(Peer):
    name = "floor"
    scenes = frozenset({"plain", "mesh", "routes", "churn", "slowpod", "tcp"})  # bytes are bytes

    def version(self) -> str:
        compiler = native.compiler()
        if compiler is None:
            raise MissingError("no C compiler: apt install gcc")
        return f"floor.c, {output(compiler, '--version').splitlines()[0]}"

    def command(self, site: Site) -> list[str]:
        ports = (str(port) for port in site.upstream_ports)
        return [str(native.program("floor")), str(site.port), *ports]
