"""`meshproxy explain`: asks the mesh of some manifests about one request and prints the answer."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

import click

from meshproxy.config.problem import urgent
from meshproxy.explain import Decision, Mesh
from meshproxy.explain.connection import SCHEME, ConnectionDecision
from meshproxy.explain.connection_text import describe_connection
from meshproxy.explain.text import describe

EXIT_USAGE = 2


def run_explain(
    mesh: Mesh,
    request: tuple[str, str, Sequence[tuple[str, str]]],
    drawn: tuple[int, str],
    output: str,
) -> int:
    """`request` is (method, url, headers), `drawn` (seed, source_ip). Verdicts go to standard
    error."""
    for problem in urgent(mesh.problems):
        click.echo(problem, err=True)
    method, url, headers = request
    decision: Decision | ConnectionDecision
    try:
        if url.startswith(SCHEME):
            decision = mesh.connect(url, *drawn)
        else:
            decision = mesh.route(method, url, headers, *drawn)
    except ValueError as error:
        click.echo(f"Error: {error}", err=True)
        return EXIT_USAGE
    if output == "json":
        click.echo(json.dumps(decision.to_dict(), indent=2))
    elif isinstance(decision, ConnectionDecision):
        click.echo(describe_connection(decision, _has_color()), nl=False)
    else:
        click.echo(describe(decision, _has_color()), nl=False)
    return 0


def _has_color() -> bool:
    """A terminal that was not told otherwise (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
