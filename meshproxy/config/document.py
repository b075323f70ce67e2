"""YAML text to plain values with positions.

Built on libyaml's event stream and an explicit stack: libyaml's own composer recurses in C and
crashes on deep nesting. Anchored values are shared, not copied, and the nodes that aliases stand
for are counted, so a "billion laughs" document is refused before anything walks it.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from .places import Path, Places
from .problem import quote

MAX_DEPTH = 100  # CRD schemas, the deepest manifests in use, reach about 40
MAX_ALIAS_NODES = 100_000  # nodes that aliases may stand for in one document
MAX_DEFECTS = 100  # of one object; the rest would only repeat them

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_RADIX = re.compile(r"([-+]?)0(x[0-9a-fA-F]+|o?[0-7]+|b[01]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = {".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf")}
_WORDS: dict[str, object] = {"~": None, "null": None, "true": True, "false": False}
_WORDS |= {"yes": True, "no": False, "on": True, "off": False}  # as Kubernetes (YAML 1.1)
_WORD_FORMS: dict[str, object] = {
    form: value
    for word, value in _WORDS.items()
    for form in (word, word.capitalize(), word.upper())
}
_WORD_FORMS[""] = None
_STARTERS = frozenset("0123456789+-.~nNtTfFyYoO")
_TAG = "tag:yaml.org,2002:"
_NESTED = "exceeded maximum nesting depth"  # libyaml 0.2.6
_MAX_NUMBER = 24  # a longer number fits no field; it stays a string
_SHORT = 32  # manifests repeat the same short words thousands of times: each is kept once


@dataclass(slots=True)
class Defect:
    """Something wrong with the YAML itself; `line` and `column` count from 0 in the text."""

    code: str
    line: int
    column: int
    path: Path
    message: str


@dataclass(slots=True)
class Document:
    """One YAML document. `broken` means its end is unknown, so nothing of it can be used."""

    value: Any
    marks: dict[Path, tuple[int, int]]
    texts: dict[Path, str]
    defects: list[Defect] = field(default_factory=list)
    broken: bool = False

    def places(self, line: int) -> Places:
        """Give the positions, for a text that starts at `line` (from 0) of its file."""
        return Places(self.marks, self.texts, line)


class _Frame:
    """A collection under construction; the document itself is the outermost one."""

    __slots__ = ("anchor", "container", "explicit", "key", "nodes", "path")

    def __init__(self, container: Any, path: Path, anchor: str | None, key: object) -> None:
        self.container = container
        self.path = path
        self.anchor = anchor
        self.key = key  # a mapping's, for the value that comes next; or one of those below
        self.nodes = 1
        self.explicit: set[str] = set()  # keys not brought in by a merge key


_NO_KEY = object()  # of a mapping whose next node is a key
_MERGE = object()
_ITEM = object()  # of a sequence
_WHOLE = object()  # of the document


class _Stop(Exception):
    """Ends a document early; its defect is already recorded."""


class _Builder:
    """Turns the events of one document into a value."""

    def __init__(self) -> None:
        self.document = Document(None, {}, {})
        self.stack = [_Frame(None, (), None, _WHOLE)]
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.open_anchors: set[str] = set()
        self.alias_nodes = 0
        self.counts: Counter[Path] = Counter()  # of defects, by object

    def defect(self, code: str, mark: Any, message: str, path: Path) -> None:
        owner = path[:2] if path[:1] == ("items",) else ()
        self.counts[owner] += 1
        if self.counts[owner] <= MAX_DEFECTS:
            self.document.defects.append(Defect(code, mark.line, mark.column, path, message))

    def next_path(self) -> Path:
        """Give the path of the node that comes next."""
        frame = self.stack[-1]
        if frame.key is _ITEM:
            return (*frame.path, len(frame.container))
        return (*frame.path, frame.key) if isinstance(frame.key, str) else frame.path

    def stop(self, code: str, mark: Any, message: str) -> None:
        where = self.next_path()
        self.document.defects.append(Defect(code, mark.line, mark.column, where, message))
        raise _Stop

    def on_scalar(self, event: Any) -> None:
        tag, text = event.tag, event.value
        if tag not in (None, "!") and not tag.startswith(_TAG):
            self.stop("MP003", event.start_mark, f"expected no tag, found {quote(tag)}")
        if len(text) <= _SHORT:
            text = sys.intern(text)
        plain = event.implicit[0] and not event.style
        key = self.stack[-1].key
        if key is _NO_KEY:
            self.take_key(text, event.start_mark, plain)
            return
        value = text
        if plain or tag in (_TAG + "int", _TAG + "float", _TAG + "bool", _TAG + "null"):
            value = resolve(text)
        if not isinstance(key, str):
            self.mark(event.start_mark)
        if value is not None and value is not text:
            self.document.texts[self.next_path()] = text
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, 1)
        self.place(value, event.start_mark, 1)

    def on_start(self, event: Any, container: Any, key: object) -> None:
        if self.stack[-1].key is _NO_KEY:
            self.stop("MP003", event.start_mark, "expected a plain key, found a collection")
        if len(self.stack) > MAX_DEPTH:
            self.stop(
                "MP005", event.start_mark, f"expected at most {MAX_DEPTH} levels, found more"
            )
        path = self.mark(event.start_mark)
        if event.anchor is not None:
            self.open_anchors.add(event.anchor)
            self.anchors.pop(event.anchor, None)
        self.stack.append(_Frame(container, path, event.anchor, key))

    def on_end(self, event: Any) -> None:
        frame = self.stack.pop()
        if frame.anchor is not None:
            self.open_anchors.discard(frame.anchor)
            self.anchors[frame.anchor] = (frame.container, frame.nodes)
        self.place(frame.container, event.start_mark, frame.nodes)

    def on_alias(self, event: Any) -> None:
        name = event.anchor
        if name in self.open_anchors:
            self.stop("MP006", event.start_mark, f"the anchor {quote(name)} contains itself")
        if name not in self.anchors:
            self.stop("MP003", event.start_mark, f"no anchor {quote(name)} above this alias")
        value, nodes = self.anchors[name]
        self.alias_nodes += nodes
        if self.alias_nodes > MAX_ALIAS_NODES:
            self.stop(
                "MP006",
                event.start_mark,
                f"aliases stand for more than {MAX_ALIAS_NODES} values",
            )
        if self.stack[-1].key is _NO_KEY:
            if not isinstance(value, str):
                self.stop("MP003", event.start_mark, "expected a plain key, found an alias")
            self.take_key(value, event.start_mark, False)
            return
        self.mark(event.start_mark)
        self.place(value, event.start_mark, nodes)

    def take_key(self, text: str, mark: Any, plain: bool) -> None:
        frame = self.stack[-1]
        if plain and text == "<<":
            frame.key = _MERGE
            return
        frame.key = text
        if text in frame.explicit:
            path = (*frame.path, text)
            first = self.document.marks.get(path, (0, 0))[0]
            self.defect(
                "MP004",
                mark,
                f"expected each key once, found {quote(text)} again"
                f" ({mark.line - first} lines after the first)",
                path,
            )
        frame.explicit.add(text)
        self.document.marks[(*frame.path, text)] = (mark.line, mark.column)

    def mark(self, mark: Any) -> Path:
        """Remember where a node starts; the key of a mapping entry was marked before."""
        path = self.next_path()
        self.document.marks.setdefault(path, (mark.line, mark.column))
        return path

    def place(self, value: Any, mark: Any, nodes: int) -> None:
        frame = self.stack[-1]
        key = frame.key
        frame.nodes += nodes
        if key is _ITEM:
            frame.container.append(value)
            return
        if key is _WHOLE:
            self.document.value = value
            return
        frame.key = _NO_KEY
        if key is _MERGE:
            self.merge(frame, value, mark)
        else:
            frame.container[key] = value

    def merge(self, frame: _Frame, value: Any, mark: Any) -> None:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            self.stop("MP003", mark, "expected a mapping after the merge key <<")
        for source in sources:
            for key, item in source.items():
                frame.container.setdefault(key, item)


def resolve(text: str) -> Any:
    """Give the value of a plain scalar: null, bool, int, float, else the text itself.

    Dates and base-60 numbers stay text, as in Kubernetes.
    """
    if text and text[0] not in _STARTERS:
        return text
    if text in _WORD_FORMS:
        return _WORD_FORMS[text]
    if len(text) > _MAX_NUMBER:
        return text
    if _INT.fullmatch(text):
        return int(text)
    radix = _RADIX.fullmatch(text)
    if radix:
        sign, digits = radix.groups()
        prefixed = "0" + digits if digits[0] in "xob" else "0o" + digits
        return int(sign + prefixed, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return _SPECIAL.get(text.lower(), text)


def parse(text: str) -> list[Document]:
    """Parse YAML text. Never raises; a document that cannot be read is `broken`."""
    documents: list[Document] = []
    builder = _Builder()
    try:
        for event in _events(text):
            kind = type(event)
            if kind is yaml.ScalarEvent:
                builder.on_scalar(event)
            elif kind is yaml.MappingStartEvent:
                builder.on_start(event, {}, _NO_KEY)
            elif kind is yaml.SequenceStartEvent:
                builder.on_start(event, [], _ITEM)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                builder.on_end(event)
            elif kind is yaml.AliasEvent:
                builder.on_alias(event)
            elif kind is yaml.DocumentStartEvent:
                builder = _Builder()
            elif kind is yaml.DocumentEndEvent:
                documents.append(builder.document)
                builder = _Builder()
    except _Stop:
        last = builder.document.defects[-1]
        last.message += _template_hint(text, last.line)
        builder.document.broken = True
        documents.append(builder.document)
    except yaml.YAMLError as error:
        line, column, message = _syntax_error(error, text)
        code = "MP003"
        if _NESTED in message:  # libyaml's own bound: it reads ahead of the events it gives
            code, message = "MP005", f"expected at most {MAX_DEPTH} levels, found more"
        builder.document.broken = True
        builder.document.defects.append(Defect(code, line, column, (), message))
        documents.append(builder.document)
    return documents


def _events(text: str) -> Iterator[Any]:
    loader = yaml.CSafeLoader(text)
    try:
        yield from iter(loader.get_event, None)
    finally:
        loader.dispose()


def _syntax_error(error: yaml.YAMLError, text: str) -> tuple[int, int, str]:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        found = " ".join(part for part in (error.context, error.problem) if part)
        line, column = (mark.line, mark.column) if mark else (0, 0)
        return line, column, f"expected YAML: {found}{_template_hint(text, line)}"
    position = getattr(error, "position", 0) or 0
    line = text.count("\n", 0, position)
    reason = getattr(error, "reason", None) or "the text cannot be read"
    return line, 0, f"expected YAML: {reason}"


def _template_hint(text: str, line: int) -> str:
    lines = text.split("\n")
    templated = line < len(lines) and "{{" in lines[line]
    return "; is this an unrendered template?" if templated else ""
