"""examples/handwritten, as people write it: understood with warnings, refused by --strict, and
routed as it is meant by a running proxy."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.proxy import ROOT, ProxyProcess, run_command
from support.upstream import Upstream

FOLDER = ROOT / "examples" / "handwritten"
PORTS = {"v1": "18091", "v2": "18092"}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyProcess]:
    """The files as they are, but for the ports of the two pods."""
    folder = tmp_path_factory.mktemp("handwritten")
    with Upstream("v1") as v1, Upstream("v2") as v2:
        for path in FOLDER.iterdir():
            text = path.read_text(encoding="utf-8")
            for server in (v1, v2):
                text = text.replace(PORTS[server.name], str(server.port))
            (folder / path.name).write_text(text, encoding="utf-8")
        proxy = ProxyProcess("-f", str(folder), "--listen=127.0.0.1:0", "--admin=off")
        try:
            yield proxy.wait_ready()
        finally:
            proxy.stop()


def test_handwritten_split_in_two_rules_is_exact(proxy: ProxyProcess) -> None:
    with proxy.client() as client:
        for _ in range(3):
            seen = Counter(client.get("nginx").body for _ in range(100))
            assert seen == {b"v1": 99, b"v2": 1}


@pytest.mark.parametrize(
    ("path", "version"),
    [("/v2", b"v2"), ("/v2/users?id=1", b"v2"), ("/v20", b"v2"), ("/v1", b"v1"), ("/", b"v1")],
)
def test_handwritten_prefix_without_indent_routes(
    proxy: ProxyProcess, path: str, version: bytes
) -> None:
    with proxy.client() as client:
        assert client.get("prefix.example.com", path).body == version


@pytest.mark.parametrize(
    ("cookie", "version"),
    [
        ("debug=1", b"v2"),
        ("a=b; debug=1", b"v2"),
        ("debug=1; a=b", b"v2"),
        ("a=b;  debug=1 ;c=d", b"v2"),
        ("debug=10", b"v1"),
        ("nodebug=1", b"v1"),
        ("a=b", b"v1"),
    ],
)
def test_handwritten_cookie_routes(proxy: ProxyProcess, cookie: str, version: bytes) -> None:
    with proxy.client() as client:
        assert client.get("cookie.example.com", cookie=cookie).body == version


def test_handwritten_request_without_cookie_goes_to_v1(proxy: ProxyProcess) -> None:
    with proxy.client() as client:
        assert client.get("cookie.example.com").body == b"v1"


def test_handwritten_forms_are_warned_of_with_the_canonical_form() -> None:
    result = run_command("check", "-f", str(FOLDER), "-o", "json")
    assert result.returncode == 0
    problems = json.loads(result.stdout)
    assert not [item for item in problems if item["severity"] == "error"]
    shown = {
        (Path(item["file"]).stem, item["path"]): item["message"]
        for item in problems
        if item["code"] == "MP118"
    }
    first, second = "host: nginx, subset: v1", "host: nginx, subset: v2"
    split = (
        f"read as one split: route: [{{destination: {{{first}}}, weight: 99}}, "
        f"{{destination: {{{second}}}, weight: 1}}]; "
        "Istio would send every request to the first rule alone, http[0]"
    )
    assert shown == {
        ("split", "spec.host"): "read as hosts: [nginx]",
        ("split", "spec.http[0]"): split,
        ("prefix", "spec.host"): "read as hosts: [prefix.example.com]",
        ("prefix", "spec.http[0].match[0].uri"): 'read as uri: {prefix: "/v2"}',
        ("prefix", "spec.http[1].route"): f"read as route: [{{destination: {{{first}}}}}]",
        ("cookie", "spec.host"): "read as hosts: [cookie.example.com]",
        ("cookie", "spec.http[0].route[0]"): f"read as - {{destination: {{{second}}}}}",
        ("cookie", "spec.http[1].route[0]"): f"read as - {{destination: {{{first}}}}}",
    }
    labels = {item["object"] for item in problems if item["code"] == "MP110"}
    assert len(labels) == 5  # both Deployments, both Pods, the DestinationRule


@pytest.mark.parametrize("name", ["split", "prefix", "cookie", "nginx"])
def test_handwritten_forms_are_refused_by_strict(name: str) -> None:
    files = [f"-f{FOLDER / f'{part}.yaml'}" for part in ("nginx", "pods", name)]
    assert run_command("check", "--strict", *dict.fromkeys(files)).returncode == 4
