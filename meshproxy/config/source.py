"""Files that hold manifests: finding them, reading them, cutting them into documents."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

from .problem import Problem, severity_of

STDIN = "-"
STDIN_NAME = "<stdin>"
SUFFIXES = (".yaml", ".yml", ".json")
MAX_FILE_BYTES = 64 * 1024 * 1024
_PIECE_BYTES = 1 << 18
_SEPARATOR = re.compile(r"\n---(?![^ \t\r\n])")

Signature = tuple[int, int, int, int]
"""(device, inode, size, mtime in ns): differs when a file was written or replaced."""

STREAM: Signature = (0, 0, 0, 0)
"""Of pipes and devices: they can be read once, so they never count as changed, and only where a
path names them (`-f <(...)`), not below a folder."""


class Listing(NamedTuple):
    """Files in a stable order; the signature is None for standard input and for files that
    cannot be read (which `read_text` then reports). `folders`: all that were looked into; `lost`:
    paths that may be folders of which nobody can say what they hold."""

    files: dict[str, Signature | None]
    folders: set[str]
    problems: list[Problem]
    lost: set[str]


def list_files(paths: Sequence[str]) -> Listing:
    """Give the files behind `-f` arguments: a folder stands for the *.yaml, *.yml and *.json
    below it, sorted."""
    listing = Listing({}, set(), [], set())
    for path in paths:
        if path == STDIN:
            listing.files[STDIN_NAME] = None
        elif os.path.isdir(path):
            _list_folder(path, listing)
        else:
            sign = listing.files.setdefault(path, signature(path))
            if sign is None:
                listing.lost.add(path)
    return listing


def _list_folder(path: str, listing: Listing) -> None:
    files, folders, problems, lost = listing
    before = len(files) + len(problems)

    def refuse(error: OSError) -> None:
        name = os.fspath(error.filename)
        if isinstance(error, FileNotFoundError) and name != path:
            return  # removed while we looked: its files are gone as well
        lost.add(name)
        problems.append(unreadable(name, error.strerror, "folder"))

    for folder, names in _walk(path, refuse):
        folders.add(folder)
        for name in names:
            sign = signature(name)
            if sign == STREAM:  # nobody may ever write to a pipe that just lies there
                problems.append(unreadable(name, "it is a pipe, a socket or a device"))
            else:
                files.setdefault(name, sign)
    if len(files) + len(problems) == before:
        problems.append(file_problem(path, "MP009", "expected *.yaml files, found none"))


def signature(path: str) -> Signature | None:
    """Give what changes when the file behind `path` (links followed) changes."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return STREAM
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def read_text(name: str) -> str | Problem:
    """Read one listed file as text."""
    try:
        if name == STDIN_NAME:
            if sys.stdin is None:  # the descriptor was closed before we began
                raise OSError(errno.EBADF, "standard input is closed")
            data = _read(sys.stdin.buffer)
        else:
            with open(name, "rb", buffering=0) as stream:
                data = _read(stream)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return unreadable(name, reason)
    if len(data) > MAX_FILE_BYTES:
        return file_problem(name, "MP007", f"expected at most {MAX_FILE_BYTES} bytes, found more")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        message = f"expected UTF-8, found the byte 0x{data[error.start]:02x}"
        return file_problem(name, "MP002", message, line, column)
    if name.endswith(".json"):
        return text.replace("\t", " ")  # YAML forbids tabs as indentation, JSON does not
    return text


def _read(stream: BinaryIO) -> bytes:
    """Read to the end, or to more than we take; one read of that size would map all of it."""
    data = bytearray()
    while len(data) <= MAX_FILE_BYTES:
        piece = stream.read(_PIECE_BYTES)
        if not piece:
            break
        data += piece
    return bytes(data)


def split(text: str) -> Iterator[tuple[int, str]]:
    """Cut a file at its `---` lines, so that one broken document does not spoil the others; gives
    the line (from 0) at which each part starts, and its text.

    YAML forbids such a line inside any scalar. A file with directives (`%YAML`) is not cut.
    """
    if text.startswith("%") or "\n%" in text:
        yield 0, text
        return
    start, line = 0, 0
    for separator in _SEPARATOR.finditer(text):
        chunk = text[start : separator.start() + 1]
        yield line, chunk
        line += chunk.count("\n")
        start = separator.start() + 1
    if start < len(text):
        yield line, text[start:]


def file_problem(name: str, code: str, message: str, line: int = 0, column: int = 0) -> Problem:
    """Make a problem of a file as a whole."""
    return Problem(name, line, column, "", "", severity_of(code), code, message)


def unreadable(name: str, reason: str | None, what: str = "file") -> Problem:
    """Make the problem of what cannot be read at all."""
    return file_problem(name, "MP001", f"cannot read the {what}: {reason}")


def _walk(folder: str, refuse: Callable[[OSError], None]) -> Iterator[tuple[str, list[str]]]:
    """Give each folder and the files in it, links to folders followed. Hidden ones are skipped: a
    mounted ConfigMap keeps its data in one and links to it, also to folders in it."""
    seen: set[str] = set()  # a link may lead back up
    for parent, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(parent)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield (
            parent,
            [
                os.path.join(parent, name)
                for name in sorted(files)
                if name.endswith(SUFFIXES) and not name.startswith(".")
            ],
        )
