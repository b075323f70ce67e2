"""Environment variables that are meant for us: one that sets nothing is told, never refused."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Set

import click

PREFIX = "MESHPROXY_"

# No flag's: of builds (setup.py), of tests, and of a process for its successor (server.upgrade).
OTHERS = frozenset(
    f"{PREFIX}{name}"
    for name in (
        *("DEBUG", "JOBS", "PGO", "SANITIZE"),
        *("EXAMPLES", "PAIRS"),
        *("INHERITED_SOCKETS", "UPGRADE_READY_FD"),
    )
)

_SERVICE_HOST = "_SERVICE_HOST"


def variables_of(command: click.Command) -> set[str]:
    """Which variables set a flag of a command, or of one below it."""
    found = {str(param.envvar) for param in command.params if param.envvar}
    if isinstance(command, click.Group):
        found.update(*map(variables_of, command.commands.values()))
    return found


def warnings_of(environment: Mapping[str, str], flags: Set[str]) -> Iterator[str]:
    """One line for each variable that begins as ours do and sets nothing."""
    ours = sorted(name for name in environment if name.startswith(PREFIX))
    # Kubernetes tells each container of the namespace's Services: of one named meshproxy-admin as
    # MESHPROXY_ADMIN_SERVICE_HOST, _SERVICE_PORT, _SERVICE_PORT_HTTP, _PORT, _PORT_80_TCP_ADDR
    services = [name.removesuffix(_SERVICE_HOST) for name in ours if name.endswith(_SERVICE_HOST)]
    told = tuple(f"{service}_{word}_" for service in services for word in ("SERVICE", "PORT"))
    by_word = {name.removeprefix(PREFIX): name for name in flags}
    for name in ours:
        if name in flags or name in OTHERS or f"{name}_".startswith(told):
            continue
        word = name.removeprefix(PREFIX).upper().replace("-", "_")
        near = difflib.get_close_matches(word, by_word, n=1)
        hint = f"; did you mean {by_word[near[0]]}?" if near else ""
        yield f"Warning: the environment variable {name} sets no flag{hint}"
