"""Pods as processes: started, restarted at the same address, counted."""

from __future__ import annotations

import http.client
import subprocess
import sys
from typing import Self

from benchmarks.upstream import Served

END_S = 20.0
WORDS = (sys.executable, "-m", "benchmarks.failure.pod")


class Pod:
    """One address; `served` counts the answers of the processes that have ended."""

    def __init__(self, *options: str) -> None:
        self.options = options
        self.port = 0
        self.served = 0
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        words = [*WORDS, "--port", str(self.port), *self.options]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """Ends when everything begun is finished."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            told, _ = process.communicate(timeout=END_S)
            self.served += int(told or 0)
        finally:
            process.kill()
            process.wait()

    def told(self) -> int:
        """How many the running process has answered, this question left out."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=END_S)
        try:
            connection.request("GET", "/served")
            return int(connection.getresponse().read())
        finally:
            connection.close()

    def restart(self) -> None:
        self.stop()
        self.start()


class Fleet:
    """Several pods with the same options each, or one tuple of options for each."""

    def __init__(self, *options: tuple[str, ...]) -> None:
        self.pods = [Pod(*each) for each in options]

    def __enter__(self) -> Self:
        try:
            for pod in self.pods:
                pod.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for pod in self.pods:
            pod.stop()

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(pod.port for pod in self.pods)

    def served(self) -> Served:
        counts = tuple(pod.told() for pod in self.pods)
        return Served(counts, (0,) * len(counts))
