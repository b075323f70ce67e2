"""What the harness needs to know of a proxy: is it here, which version, how is it started."""

from __future__ import annotations

import abc
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmarks.scenes import Scene

HERE = Path(__file__).resolve().parent


class MissingError(Exception):
    """The peer is not installed; the text says how to get it."""


@dataclass(frozen=True)
class Site:
    """The place one peer is started at."""

    directory: Path  # empty, the peer's own
    port: int  # where it must listen on 127.0.0.1
    upstream_ports: tuple[int, ...]
    connections: int  # what the load will open
    scene: Scene = "plain"


class Peer(abc.ABC):
    name: ClassVar[str]
    scenes: ClassVar[frozenset[Scene]] = frozenset({"plain"})

    @abc.abstractmethod
    def version(self) -> str:
        """Return the version, or raise MissingError."""

    def lacks(self, scene: Scene) -> str:
        """Say why the peer cannot take part in a scene; "" when it can."""
        return "" if scene in self.scenes else f"no configuration for the scene {scene!r}"

    @abc.abstractmethod
    def command(self, site: Site) -> list[str]:
        """Write what the peer needs into `site.directory`; return how it is started."""


def balance(site: Site, plain: str, least: str) -> str:
    """Choose the policy that the scene asks for: round robin, or by requests under way."""
    return least if site.scene == "slowpod" else plain


def render(name: str, site: Site, **values: str) -> str:
    """Fill a template of this folder. A line with @UPSTREAM_PORT@ is repeated per upstream."""
    values |= {
        "DIRECTORY": str(site.directory),
        "PORT": str(site.port),
        "CONNECTIONS": str(site.connections),
    }
    lines = []
    for line in (HERE / name).read_text().splitlines():
        repeats = site.upstream_ports if "@UPSTREAM_PORT@" in line else (0,)
        for index, port in enumerate(repeats):
            made = line
            places = {"UPSTREAM_PORT": str(port), "UPSTREAM_INDEX": str(index), **values}
            for place, value in places.items():
                made = made.replace(f"@{place}@", value)
            lines.append(made)
    return "\n".join(lines) + "\n"


def install(name: str, site: Site, **values: str) -> Path:
    """Render a template into the peer's directory; return where."""
    path = site.directory / Path(name).name
    path.write_text(render(name, site, **values))
    return path


def binary(program: str, how: str) -> str:
    """Return where a program is; raise MissingError with `how` to get it."""
    found = which(program) or shutil.which(program, path=os.path.dirname(sys.executable))
    if found is None:
        raise MissingError(f"{program} is not installed: {how}")
    return found


def which(program: str) -> str | None:
    """Return where a program is; Debian keeps daemons in sbin, off the PATH of users."""
    return shutil.which(program) or shutil.which(program, path="/usr/local/sbin:/usr/sbin")


def output(*command: str) -> str:
    """Return what a version command prints; raise MissingError if it cannot run."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=20, cwd=HERE.parent.parent
    )
    text = (done.stdout + done.stderr).strip()
    if done.returncode:
        last = text.splitlines()[-1] if text else f"status {done.returncode}"
        raise MissingError(f"`{' '.join(command)}` failed: {last}")
    return text
