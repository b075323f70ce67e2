"""The set of all resources in force, and how a new load becomes one.

Law: a bad object never takes a good one down. The last good version of a rejected object stays,
and so do the objects of a file of which some part cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .load import FileContent, Loaded
from .places import Places
from .problem import Finding, Problem
from .resource import Key, Resource, place


@dataclass(frozen=True, slots=True)
class ConfigSet:
    """Immutable. `stale` names the objects that are in force though their file says otherwise."""

    resources: Mapping[Key, Resource] = field(default_factory=lambda: MappingProxyType({}))
    rejected: frozenset[Key] = frozenset()
    stale: frozenset[Key] = frozenset()
    files: Mapping[str, FileContent] = field(default_factory=dict)  # what it was made of


@dataclass(frozen=True, slots=True)
class Merge:
    """A new set, the keys that differ from the one before, and every problem of the load."""

    config: ConfigSet
    changed: frozenset[Key]
    problems: tuple[Problem, ...]


def merge(previous: ConfigSet, loaded: Loaded) -> Merge:
    """Make the set that is in force after a load.

    Only objects of files that were read again are compared, so one changed file costs the same
    among ten and among ten thousand.
    """
    problems = list(loaded.problems)
    resources: dict[Key, Resource] = {}
    rejected: dict[Key, str] = {}
    for name, content in loaded.files.items():
        problems.extend(content.problems)
        rejected.update(dict.fromkeys(content.rejected, name))
        problems.extend(_duplicate(content.resources[item.key], item) for item in content.repeated)
        problems.extend(_add(resources, content.resources))
    rejected = {key: name for key, name in rejected.items() if key not in resources}
    stale: set[Key] = set()
    doubtful = _doubtful(previous, loaded.files)
    for key in doubtful:
        old = previous.resources.get(key)
        if old is None or key in resources:
            continue
        finding = _reason_to_keep(key, old, loaded, rejected)
        if finding is not None:
            resources[key] = old
            stale.add(key)
            problems.append(place(finding, rejected.get(key, old.file), _NOWHERE, str(key)))
    changed = frozenset(
        key for key in doubtful if _model(resources, key) is not _model(previous.resources, key)
    )
    config = ConfigSet(
        MappingProxyType(resources), frozenset(rejected), frozenset(stale), loaded.files
    )
    return Merge(config, changed, tuple(problems))


_NOWHERE = Places({}, {}, -1)


def _add(resources: dict[Key, Resource], more: Mapping[Key, Resource]) -> list[Problem]:
    """Add the objects of one file; those that an earlier file defines do not count."""
    if not resources or resources.keys().isdisjoint(more):
        resources.update(more)
        return []
    problems: list[Problem] = []
    for key, resource in more.items():
        first = resources.setdefault(key, resource)
        if first is not resource:
            problems.append(_duplicate(first, resource))
    return problems


def _doubtful(previous: ConfigSet, files: Mapping[str, FileContent]) -> list[Key]:
    """Give the keys that may differ: those of files that were read again, came or went, and
    those kept though their file says otherwise."""
    keys = dict.fromkeys(sorted(previous.stale))
    for name in dict.fromkeys((*previous.files, *files)):
        old, new = previous.files.get(name), files.get(name)
        if old is new:
            continue
        before = old.resources if old is not None else {}
        after = new.resources if new is not None else {}
        keys.update(
            (key, None) for key, resource in after.items() if before.get(key) is not resource
        )
        keys.update((key, None) for key in before if key not in after)
    return list(keys)


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
