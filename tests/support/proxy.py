"""`meshproxy run` as a real process, its ports read from what it says."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from support.raw_client import RawClient
from support.wait import TIMEOUT_S

ROOT = Path(__file__).resolve().parents[2]


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what sets flags, the checkout importable."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("MESHPROXY_", "POD_"))}
    return {**own, "PYTHONPATH": str(ROOT), **more}


def run_command(*args: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run one `meshproxy` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "meshproxy", *args],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT_S,
        env=environment(**env),
    )


def children(pid: int) -> list[int]:
    """Pids of the processes that any thread of this one started."""
    listed = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for each in listed for child in each.read_text().split()]


def command(pid: int) -> bytes:
    """The command line of a process, b"" of one that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


class ProxyProcess:
    """A running proxy; every wait is bounded."""

    def __init__(self, *args: str, stdin: str = "", **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "meshproxy", "run", *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**env),
        )
        assert self.process.stdin is not None
        with self.process.stdin as stream:
            stream.write(stdin)
        self.lines: list[str] = []
        self._seen = 0
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_line(self, pattern: str) -> re.Match[str]:
        """The next line of standard error, after the last one waited for, that matches."""
        deadline = time.monotonic() + TIMEOUT_S
        with self._news:
            while True:
                while self._seen < len(self.lines):
                    line = self.lines[self._seen]
                    self._seen += 1
                    if match := re.search(pattern, line):
                        return match
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    raise AssertionError(f"no line matches {pattern!r} in:\n{self.stderr}")
                self._news.wait(left)

    def wait_ready(self) -> ProxyProcess:
        match = self.wait_line(r"^ready: listening on (.+?), \d+ service")
        self.ports = [int(where.rpartition(":")[2]) for where in match[1].split(", ")]
        return self

    @property
    def port(self) -> int:
        return self.ports[0]

    def admin(self) -> httpx.Client:
        """A client of the admin pages; call once, after `wait_ready`."""
        match = self.wait_line(r"admin: listening on (http://\S+)")
        return httpx.Client(base_url=match[1], timeout=TIMEOUT_S, trust_env=False)

    def client(self, index: int = 0) -> RawClient:
        return RawClient(self.ports[index])

    def workers(self) -> list[int]:
        """Pids of the workers: the control process has other children for a moment."""
        return [pid for pid in children(self.process.pid) if b"meshproxy.worker" in command(pid)]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        status = self.process.wait(TIMEOUT_S)
        self._reader.join(TIMEOUT_S)
        return status

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    @property
    def stderr(self) -> str:
        return "".join(self.lines)

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                with self._news:
                    self.lines.append(line)
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


def holds(pid: int, client: RawClient) -> bool:
    """Whether a process has the other end of a client's connection."""
    port = client.sock.getsockname()[1]
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[2].endswith(f":{port:04X}")
    }
    return bool(inodes & set(_socket_inodes(pid)))


@contextlib.contextmanager
def client_of_each_worker(proxy: ProxyProcess) -> Iterator[dict[int, RawClient]]:
    """One connection to each: those that have one are stopped until the others have theirs."""
    clients: dict[int, RawClient] = {}
    with contextlib.ExitStack() as stack, contextlib.ExitStack() as stopped:
        workers = proxy.workers()
        while len(clients) < len(workers):
            client = stack.enter_context(proxy.client())
            assert client.get("web").status == 200
            (owner,) = [pid for pid in workers if holds(pid, client)]
            clients[owner] = client
            os.kill(owner, signal.SIGSTOP)
            stopped.callback(os.kill, owner, signal.SIGCONT)
        stopped.close()
        yield clients


def _socket_inodes(pid: int) -> Iterator[str]:
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            link = os.readlink(f"/proc/{pid}/fd/{fd}")
            if link.startswith("socket:["):
                yield link[8:-1]


MeshproxyRun = Callable[..., ProxyProcess]
