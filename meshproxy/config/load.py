"""Loads manifests from paths; a second load parses only the documents whose text changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .admission import Admitted, admit
from .document import parse
from .problem import Problem
from .resource import Key, Resource
from .source import STDIN_NAME, Signature, list_files, read_text, split


@dataclass(frozen=True, slots=True)
class FileContent:
    """What one file holds. `broken`: some part could not be read or identified, so an object
    that is absent here may merely be unreadable."""

    resources: Mapping[Key, Resource] = field(default_factory=dict)
    repeated: tuple[Resource, ...] = ()  # defined again, after the first
    rejected: tuple[Key, ...] = ()
    problems: tuple[Problem, ...] = ()
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """All files, in the order of the paths given, and problems of the paths themselves."""

    files: dict[str, FileContent]
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Parsed:
    """The documents of one chunk as they were judged at `line`."""

    line: int
    documents: list[Admitted]


@dataclass(slots=True)
class _Cached:
    signature: Signature | None
    content: FileContent
    chunks: dict[str, _Parsed] = field(default_factory=dict)


class Loader:
    """Reads the same paths again and again. Standard input is read once."""

    def __init__(self, paths: Sequence[str], namespace: str = "default") -> None:
        self.paths = tuple(paths)
        self.namespace = namespace
        self._files: dict[str, _Cached] = {}

    def load(self, changed: Collection[str] = ()) -> Loaded:
        """Give the content of every file now. Files whose size, time and inode are as before
        are not read again, unless named in `changed`."""
        listed, _, problems, lost = list_files(self.paths)
        gone = [name for name in self._files if name not in listed]
        for name in gone:
            if lost.isdisjoint(_above(name)):
                del self._files[name]
            else:
                chunks = self._files[name].chunks
                self._files[name] = _Cached(None, FileContent(broken=True), chunks)
        for name, sign in listed.items():
            cached = self._files.get(name)
            if cached is not None and name == STDIN_NAME:
                continue
            fresh = cached is not None and sign is not None and cached.signature == sign
            if not fresh or name in changed:
                self._files[name] = self._read(name, sign, cached)
        kept = [name for name in gone if name in self._files]
        files = {name: self._files[name].content for name in (*listed, *kept)}
        return Loaded(files, tuple(problems))

    def _read(self, name: str, sign: Signature | None, cached: _Cached | None) -> _Cached:
        text = read_text(name)
        known = cached.chunks if cached else {}
        if isinstance(text, Problem):
            return _Cached(sign, FileContent(problems=(text,), broken=True), known)
        chunks: dict[str, _Parsed] = {}
        parts: list[Admitted] = []
        for line, chunk in split(text):
            parsed = known.get(chunk)
            if parsed is None or chunk in chunks:
                documents = [
                    admit(document, name, line, self.namespace) for document in parse(chunk)
                ]
                parsed = _Parsed(line, documents)
            elif parsed.line != line:
                parsed = _moved(parsed, line)
            chunks[chunk] = parsed
            parts.extend(parsed.documents)
        return _Cached(sign, _join(parts), chunks)


def _above(name: str) -> Iterator[str]:
    """Give the path itself and every path it is below, as they were written."""
    yield name
    while (cut := name.rfind("/")) > 0:
        name = name[:cut]
        yield name
        yield name + "/"  # `-f config/`


def _moved(parsed: _Parsed, line: int) -> _Parsed:
    shift = line - parsed.line
    documents = [
        Admitted(
            [resource.moved(resource.places.shifted(shift)) for resource in part.resources],
            part.rejected,
            [problem.shifted(shift) for problem in part.problems],
            part.broken,
        )
        for part in parsed.documents
    ]
    return _Parsed(line, documents)


def _join(parts: list[Admitted]) -> FileContent:
    resources: dict[Key, Resource] = {}
    repeated: list[Resource] = []
    rejected: list[Key] = []
    problems: list[Problem] = []
    for part in parts:
        for resource in part.resources:
            if resources.setdefault(resource.key, resource) is not resource:
                repeated.append(resource)
        if part.problems:
            rejected.extend(part.rejected)
            problems.extend(part.problems)
    broken = any(part.broken for part in parts)
    return FileContent(resources, tuple(repeated), tuple(rejected), tuple(problems), broken)
