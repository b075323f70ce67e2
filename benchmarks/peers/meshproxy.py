"""meshproxy from this checkout (or as installed), one worker process."""

from __future__ import annotations

import importlib.util
import sys

from benchmarks.peers.peer import MissingError, Peer, Site, install, output


class Meshproxy(Peer):
    name = "meshproxy"

    def version(self) -> str:
        if importlib.util.find_spec("meshproxy.__main__") is None:
            raise MissingError("meshproxy is not here: run from a checkout, after `make build`")
        return " | ".join(output(sys.executable, "-m", "meshproxy", "version").splitlines()[-5:])

    def command(self, site: Site) -> list[str]:
        manifest = install("meshproxy.yaml", site)
        return [
            *(sys.executable, "-m", "meshproxy", "run", "-f", str(manifest.parent)),
            *("--listen", f"127.0.0.1:{site.port}", "--admin", "off"),
            *("--workers", "1", "--access-log", "off"),
        ]
