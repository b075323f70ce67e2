"""HAProxy as the distribution packages it, one thread."""

from __future__ import annotations

import shutil

from benchmarks.peers.peer import MissingError, Peer, Site, install, output


class HAProxy(Peer):
    name = "haproxy"

    def version(self) -> str:
        if shutil.which("haproxy") is None:
            raise MissingError("haproxy is not installed: apt install haproxy")
        return output("haproxy", "-v").splitlines()[0]

    def command(self, site: Site) -> list[str]:
        return ["haproxy", "-db", "-f", str(install("haproxy.cfg", site))]
