"""nginx, one worker process."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.peer import Peer, Site, balance, binary, install, output
from benchmarks.scenes import Scene

_MODULES = Path("/usr/lib/nginx/modules")  # Debian's


class Nginx(Peer):
    name = "nginx"
    scenes = frozenset({"plain", "slowpod", "tcp"})

    def version(self) -> str:
        return output(_binary(), "-v").removeprefix("nginx version: ")

    def lacks(self, scene: Scene) -> str:
        if scene == "tcp" and not (_MODULES / "ngx_stream_module.so").exists():
            return "nginx has no stream module: apt install libnginx-mod-stream"
        return super().lacks(scene)

    def command(self, site: Site) -> list[str]:
        name = "nginx-tcp.conf" if site.scene == "tcp" else "nginx.conf"
        values = {"MODULES": str(_MODULES), "BALANCE": balance(site, "", "least_conn;")}
        config, log = install(name, site, **values), site.directory / "error.log"
        return [_binary(), "-p", str(site.directory), "-e", str(log), "-c", str(config)]


def _binary() -> str:
    return binary("nginx", "apt install nginx-light")
