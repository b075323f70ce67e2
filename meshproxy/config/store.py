"""The set of all resources in force, and how a new load becomes one.

Law: a bad object never takes a good one down. The last good version of a rejected object stays,
and so do the objects of a file of which some part cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .load import Loaded
from .places import Places
from .problem import Finding, Problem
from .resource import Key, Resource, place


@dataclass(frozen=True, slots=True)
class ConfigSet:
    """Immutable. `stale` names the objects that are in force though their file says otherwise."""

    resources: Mapping[Key, Resource] = field(default_factory=lambda: MappingProxyType({}))
    rejected: frozenset[Key] = frozenset()
    stale: frozenset[Key] = frozenset()

    def of_kind(self, kind: str) -> Iterator[Resource]:
        """Give the resources of one kind, in file order."""
        return (item for key, item in self.resources.items() if key.kind == kind)


@dataclass(frozen=True, slots=True)
class Merge:
    """A new set, the keys that differ from the one before, and every problem of the load."""

    config: ConfigSet
    changed: frozenset[Key]
    problems: tuple[Problem, ...]


def merge(previous: ConfigSet, loaded: Loaded) -> Merge:
    """Make the set that is in force after a load."""
    problems = list(loaded.problems)
    resources: dict[Key, Resource] = {}
    rejected: dict[Key, str] = {}
    for name, content in loaded.files.items():
        problems.extend(content.problems)
        rejected.update(dict.fromkeys(content.rejected, name))
        for resource in content.resources:
            first = resources.setdefault(resource.key, resource)
            if first is not resource:
                problems.append(_duplicate(first, resource))
    for key in [key for key in rejected if key in resources]:
        del rejected[key]
    stale: set[Key] = set()
    for key, old in previous.resources.items():
        if key in resources:
            continue
        finding = _reason_to_keep(key, old, loaded, rejected)
        if finding is not None:
            resources[key] = old
            stale.add(key)
            problems.append(place(finding, rejected.get(key, old.file), _NOWHERE, str(key)))
    changed = frozenset(
        key
        for key in resources.keys() | previous.resources.keys()
        if _model(resources, key) is not _model(previous.resources, key)
    )
    config = ConfigSet(MappingProxyType(resources), frozenset(rejected), frozenset(stale))
    return Merge(config, changed, tuple(problems))


_NOWHERE = Places({}, {}, -1)


def _model(resources: Mapping[Key, Resource], key: Key) -> object:
    resource = resources.get(key)
    return resource.model if resource is not None else None


def _reason_to_keep(
    key: Key, old: Resource, loaded: Loaded, rejected: Mapping[Key, str]
) -> Finding | None:
    if key in rejected:
        return Finding("MP402", (), "the version before stays in force: this one was rejected")
    content = loaded.files.get(old.file)
    if content is not None and content.broken:
        return Finding("MP403", (), "stays in force: a part of its file cannot be read")
    return None


def _duplicate(first: Resource, second: Resource) -> Problem:
    file, line, _ = first.locate()
    message = f"expected each object once, found it again; {file}:{line} counts"
    return second.problem(Finding("MP401", (), message))
