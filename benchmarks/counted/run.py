"""The engine alone with a scene, under callgrind and under strace."""

from __future__ import annotations

import contextlib
import marshal
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypedDict

from benchmarks.native import HERE
from benchmarks.peers.meshproxy import manifests
from benchmarks.peers.peer import Site
from benchmarks.scenes import Scene, mesh
from benchmarks.scenes.request import Request
from meshproxy.listen import parse_listen
from meshproxy.manifests import load_manifests
from meshproxy.snapshot.build import Builder

FEW, MANY = 200, 1200  # their difference is what is counted: start and warm-up fall out
START_S = 120.0  # valgrind runs code some 50 times slower
_SOCKET_CALLS = "recvfrom,sendto,recvmsg,sendmsg,readv,writev,epoll_ctl,accept4"


class Counts(TypedDict):
    instructions: int
    socket_calls: float
    python_objects: float  # taken from CPython's allocator, not from its free lists


def count(
    scene: str, ports: tuple[int, ...], run: Path, options: dict[str, object] | None = None
) -> Counts:
    """Return what a request of the scene costs; `options` are those of Engine."""
    folder = run / scene
    folder.mkdir(exist_ok=True)
    start = write_start(scene, ports, folder, options=options or {})
    texts = requests(scene)
    profiles = [
        _profile(start, texts, total, run / f"{scene}-{total}.callgrind") for total in (FEW, MANY)
    ]
    instructions = [_instructions(profile) for profile in profiles]
    objects = [_objects(profile) for profile in profiles]
    calls = [_calls(start, texts, total, folder / f"{total}.strace") for total in (FEW, MANY)]
    span = MANY - FEW
    return {
        "instructions": round((instructions[1] - instructions[0]) / span),
        "socket_calls": round((calls[1] - calls[0]) / span, 2),
        "python_objects": round((objects[1] - objects[0]) / span, 1),
    }


def write_start(
    scene: str,
    ports: tuple[int, ...],
    folder: Path,
    *,
    options: dict[str, object],
    listens: tuple[str, ...] = ("127.0.0.1:0",),
    more: Iterable[mesh.Json] = (),
) -> Path:
    """Write what benchmarks.counted.proxy starts from: a scene, and `more` manifests."""
    kind: Scene = "mesh" if scene == "mesh" else "plain"
    shutil.rmtree(folder / "manifests", ignore_errors=True)
    written = manifests(Site(folder, 0, ports, 1, kind))
    mesh.write(written / "more.yaml", list(more))
    builder = Builder("default", [parse_listen(listen) for listen in listens])
    load_manifests(builder, [str(written)])
    path = folder / "start"
    log = str(folder / "access.log") if scene == "mesh" else "off"
    path.write_bytes(marshal.dumps((builder.snapshot, len(listens), log, options)))
    return path


def requests(scene: str) -> list[bytes]:
    """Return the requests of a scene, to be sent in turn."""
    asked = mesh.requests("bench") if scene == "mesh" else [Request("/", ("Host: bench",))]
    lines = ((f"GET {each.path} HTTP/1.1", *each.fields, "", "") for each in asked)
    return ["\r\n".join(each).encode() for each in lines]


def _profile(start: Path, texts: list[bytes], total: int, out: Path) -> str:
    tool = [
        *("valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}"),
        "--collect-atstart=no",
        *(f"--toggle-collect={entry}" for entry in _entries()),
    ]
    _drive(tool, start, texts, total)
    return out.read_text()


def _instructions(profile: str) -> int:
    found = re.search(r"^(?:summary|totals): (\d+)", profile, re.MULTILINE)
    assert found is not None
    return int(found[1])


def _objects(profile: str) -> int:
    """Calls of PyObject_Malloc, which a profile names once and by number from then on; 0 where
    this Python was linked into one and has no such symbol."""
    found = re.search(r"^c?fn=(\(\d+\)) PyObject_Malloc$", profile, re.MULTILINE)
    if found is None:
        return 0
    calls = rf"^cfn={re.escape(found[1])}(?: .*)?\ncalls=(\d+)"
    return sum(int(number) for number in re.findall(calls, profile, re.MULTILINE))


def _calls(start: Path, texts: list[bytes], total: int, out: Path) -> int:
    tool = ["strace", "-f", "-qq", "-o", str(out), "-e", f"trace={_SOCKET_CALLS}"]
    _drive(tool, start, texts, total)
    return len(out.read_text().splitlines())


def _entries() -> list[str]:
    """Return the symbols, as Cython named them in this build, of what serves events: no part of
    the other. How many events share a turn of the loop is chance, and its cost is not counted."""
    library = next((HERE.parent / "meshproxy" / "_fast").glob("reactor.*.so"))
    names = subprocess.run(["nm", str(library)], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"__pyx_f_\w*Reactor_(?:dispatch|serve_again)\b", names)
    assert len(found) == 2, f"{found} in {library}"
    return sorted(found)


def _drive(tool: list[str], start: Path, texts: list[bytes], total: int) -> None:
    with (
        running(start, tool) as (port,),
        socket.create_connection(("127.0.0.1", port), timeout=START_S) as one,
    ):
        for number in range(total):
            one.sendall(texts[number % len(texts)])
            answer = one.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 "), answer[:80]


@contextlib.contextmanager
def running(start: Path, tool: Iterable[str] = ()) -> Iterator[tuple[int, ...]]:
    """Run the engine, under a tool; the ports of its listeners. It ends by itself, with 0."""
    command = [*tool, sys.executable, "-m", "benchmarks.counted.proxy", str(start)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parent
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield tuple(int(port) for port in process.stdout.readline().split())
        process.stdin.close()
        status = process.wait(START_S)
        assert status == 0, f"the engine ended with {status}"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
