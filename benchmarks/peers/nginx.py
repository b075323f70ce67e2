"""nginx, one worker process."""

from __future__ import annotations

import shutil

from benchmarks.peers.peer import MissingError, Peer, Site, install, output


class Nginx(Peer):
    name = "nginx"

    def version(self) -> str:
        if shutil.which("nginx") is None:
            raise MissingError("nginx is not installed: apt install nginx-light")
        return output("nginx", "-v").removeprefix("nginx version: ")

    def command(self, site: Site) -> list[str]:
        log = str(site.directory / "error.log")
        return [
            "nginx",
            "-p",
            str(site.directory),
            "-e",
            log,
            "-c",
            str(install("nginx.conf", site)),
        ]
