"""`meshproxy export envoy`: prints the manifests as an Envoy bootstrap."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import click
import yaml

from meshproxy.config.problem import urgent
from meshproxy.export import export_envoy
from meshproxy.listen import ListenSpec
from meshproxy.manifests import load_manifests
from meshproxy.snapshot.build import Builder
from meshproxy.snapshot.intake import IntakeOptions
from meshproxy.snapshot.scope import Scope


def run_export(
    paths: Sequence[str],
    scope: Scope,
    listen: Sequence[ListenSpec],
    intake: IntakeOptions,
    output: str,
) -> int:
    """Verdicts, and what Envoy cannot say, go to standard error."""
    builder = Builder(listeners=listen, scope=scope)
    for problem in urgent(load_manifests(builder, paths)):
        click.echo(problem, err=True)
    addresses = {index: spec.address for index, spec in enumerate(listen)}
    made = export_envoy(builder.snapshot, addresses, intake)
    for note in made.notes:
        click.echo(f"note: {note}", err=True)
    if output == "json":
        click.echo(json.dumps(made.bootstrap, indent=2, default=_base64))
    else:
        click.echo(yaml.dump(made.bootstrap, Dumper=_Dumper, sort_keys=False), nl=False)
    return 0


class _Dumper(yaml.SafeDumper):
    """No anchors; bytes as protobuf's JSON has them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


_Dumper.add_representer(bytes, lambda dumper, value: dumper.represent_str(_base64(value)))
