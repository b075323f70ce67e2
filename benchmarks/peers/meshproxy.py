"""meshproxy from this checkout (or as installed), one worker process."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from benchmarks.peers.peer import MissingError, Peer, Site, balance, install, output
from benchmarks.scenes import churn, mesh, routes

MODULE = (sys.executable, "-m", "meshproxy")


class Meshproxy(Peer):
    name = "meshproxy"
    scenes = frozenset({"plain", "mesh", "routes", "churn", "slowpod", "tcp"})

    def version(self) -> str:
        if importlib.util.find_spec("meshproxy.__main__") is None:
            raise MissingError("meshproxy is not here: run from a checkout, after `make build`")
        return " | ".join(output(*MODULE, "version").splitlines()[-6:])

    def command(self, site: Site) -> list[str]:
        listen = f"127.0.0.1:{site.port}"
        if site.scene == "tcp":
            listen += "=bench:80/tcp"
        log = str(site.directory / "access.log") if site.scene == "mesh" else "off"
        return [
            *(*MODULE, "run", "-f", str(manifests(site)), "--listen", listen, "--admin", "off"),
            *("--workers", "1", "--access-log", log),
        ]


def manifests(site: Site) -> Path:
    """Write the scene's manifests into a folder of the site; return it."""
    folder = site.directory / "manifests"
    folder.mkdir()
    match site.scene:
        case "mesh":
            mesh.write_manifests(folder, site.upstream_ports)
        case "routes":
            routes.write_manifests(folder, site.upstream_ports)
        case _:
            policy = balance(site, "ROUND_ROBIN", "LEAST_REQUEST")
            install("meshproxy.yaml", site, BALANCE=policy).rename(folder / "meshproxy.yaml")
            if site.scene == "churn":
                churn.write_manifests(folder, site.upstream_ports)
    return folder
