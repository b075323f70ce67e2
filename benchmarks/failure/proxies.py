"""The proxies in front of the pods, with the same rules: meshproxy, and Envoy by its export."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.envoy import binary
from benchmarks.process import Process, StartError

MESHPROXY = (sys.executable, "-m", "meshproxy")
START_S = 30.0


def manifests(ports: tuple[int, ...], policy: dict[str, Any] | None = None) -> str:
    """The service `bench` on the ports; nothing else is configured unless there is a policy."""
    documents: list[dict[str, Any]] = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "bench"},
            "spec": {"selector": {"app": "bench"}, "ports": [{"name": "http", "port": 80}]},
        }
    ]
    documents += [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"bench-{port}",
                "labels": {"kubernetes.io/service-name": "bench"},
            },
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": port}],
            "endpoints": [{"addresses": ["127.0.0.1"]}],
        }
        for port in ports
    ]
    if policy:
        documents.append(
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "DestinationRule",
                "metadata": {"name": "bench"},
                "spec": {"host": "bench", "trafficPolicy": policy},
            }
        )
    return "\n---\n".join(map(json.dumps, documents))


@contextmanager
def proxy(name: str, folder: Path, text: str) -> Iterator[int]:
    """Started, and answering; its port."""
    rules = folder / "bench.yaml"
    rules.write_text(text)
    port = _free_port()
    listen = ("-f", str(rules), "--listen", f"127.0.0.1:{port}")
    if name == "meshproxy":
        command = [*MESHPROXY, "run", *listen, "--admin", "127.0.0.1:0", "--access-log", "off"]
    else:
        words = [*MESHPROXY, "export", "envoy", *listen, "-o", "json"]
        shown = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
        config = folder / "envoy.json"
        config.write_text(shown.stdout)
        command = [*(binary(), "-c", str(config), "--concurrency", "1")]
        command += ["--disable-hot-restart", "--log-level", "error"]
    with Process(command, 0, folder / f"{name}.log") as process:
        deadline = time.monotonic() + START_S
        while not _answers(port):
            process.check_alive()
            if time.monotonic() > deadline:
                raise StartError(f"{name} does not answer: {process.tail()}")
            time.sleep(0.05)
        yield port


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": "bench"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port
