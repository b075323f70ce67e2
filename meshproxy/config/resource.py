"""A resource as the proxy holds it: its key, its model, and where it was written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from .metadata import Resource as Model
from .places import Path, Places, format_path
from .problem import Finding, Problem, severity_of, shortened


class Key(NamedTuple):
    """The identity of an object."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def qualified_name(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """One accepted object. Compare `model` by identity to see whether the object changed: a
    document whose text is the same keeps its model, even when it moved inside its file."""

    key: Key
    model: Model
    file: str
    places: Places

    def locate(self, path: Path = ()) -> tuple[str, int, int]:
        """Give (file, line, column) of a field, or of its nearest known parent."""
        return (self.file, *self.places.find(path))

    def problem(self, finding: Finding) -> Problem:
        """Place a finding of this object."""
        return place(finding, self.file, self.places, str(self.key))

    def moved(self, places: Places) -> Resource:
        return replace(self, places=places)


def place(finding: Finding, file: str, places: Places, name: str) -> Problem:
    """Turn a finding into a problem with file, line and column."""
    line, column = places.find(finding.path)
    return Problem(
        file=file,
        line=line,
        column=column,
        object=name,
        path=format_path(places.written(finding.path)),
        severity=severity_of(finding.code, finding.severity),
        code=finding.code,
        message=shortened(finding.message),
    )
