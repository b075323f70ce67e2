"""nginx, one worker process."""

from __future__ import annotations

from benchmarks.peers.peer import MissingError, Peer, Site, install, output, which


class Nginx(Peer):
    name = "nginx"

    def version(self) -> str:
        return output(_binary(), "-v").removeprefix("nginx version: ")

    def command(self, site: Site) -> list[str]:
        config, log = install("nginx.conf", site), site.directory / "error.log"
        return [_binary(), "-p", str(site.directory), "-e", str(log), "-c", str(config)]


def _binary() -> str:
    binary = which("nginx")
    if binary is None:
        raise MissingError("nginx is not installed: apt install nginx-light")
    return binary
