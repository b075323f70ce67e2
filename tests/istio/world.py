"""Bookinfo and httpbin as servers on loopback behind one proxy whose rules are replaced."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path
from types import TracebackType

from support import manifests
from support.proxy import ProxyProcess
from support.raw_client import Response
from support.upstream import Upstream

HERE = Path(__file__).parent
VERSIONS = {
    "productpage": ("v1",),
    "details": ("v1",),
    "reviews": ("v1", "v2", "v3"),
    "ratings": ("v1", "v2"),
    "httpbin": ("v1", "v2"),
}
SUBSETS = ("bookinfo/subsets", "httpbin/subsets")


def rules(*names: str) -> str:
    """Give the text of fixtures, such as `bookinfo/all-v1`."""
    return "---\n".join((HERE / f"{name}.yaml").read_text(encoding="utf-8") for name in names)


class World:
    """One proxy; `apply` replaces what it has been told. Every server answers `app-version`."""

    def __init__(self, folder: Path) -> None:
        self._stack = contextlib.ExitStack()
        self.folder = folder / "mesh"
        self.folder.mkdir()
        self.servers = {
            f"{app}-{version}": self._stack.enter_context(Upstream(f"{app}-{version}"))
            for app, versions in VERSIONS.items()
            for version in versions
        }
        documents = [_service(app) for app in VERSIONS]
        documents += [
            manifests.pod(*name.split("-"), server.port) for name, server in self.servers.items()
        ]
        manifests.write(self.folder, "---\n".join(documents), "apps.yaml")
        self._applied = rules(*SUBSETS)
        manifests.write(self.folder, self._applied, "rules.yaml")
        self.proxy = ProxyProcess(
            *("-f", str(self.folder), "--listen=127.0.0.1:0", "--admin=off"),
        )
        self._stack.callback(self.proxy.stop)
        self.proxy.wait_ready()

    def __enter__(self) -> World:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def apply(self, *names: str, instead: str = "") -> None:
        """Put these rules beside the subsets, in place of the rules before and of `instead`."""
        text = rules(*(name for name in SUBSETS if name != instead), *names)
        for server in self.servers.values():
            server.forget()
        if text == self._applied:
            return
        self._applied = text
        manifests.write(self.folder, text, "rules.yaml")
        self.proxy.wait_line(r"reloaded: generation \d+, rejected objects: 0")

    def get(self, host: str, path: str = "/", **headers: str) -> Response:
        with self.proxy.client() as client:
            return client.get(host, path, **headers)

    def answers(self, host: str, count: int, **headers: str) -> Counter[str]:
        """Count who answered that many requests of one connection."""
        with self.proxy.client() as client:
            return Counter(client.get(host, **headers).body.decode() for _ in range(count))

    def seen(self, name: str) -> list[str]:
        """Give the paths that a server was asked for."""
        return [request.path for request in self.servers[name].requests]


def _service(app: str) -> str:
    return f"""\
apiVersion: v1
kind: Service
metadata: {{name: {app}}}
spec: {{selector: {{app: {app}}}, ports: [{{name: http, port: 9080, targetPort: web}}]}}
"""
