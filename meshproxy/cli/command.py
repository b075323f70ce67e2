"""The command group and its verbs.

Exit codes: 0 fine, 1 runtime failure, 2 usage, 3 invalid configuration, 4 only warnings and
--strict. A flag of `run` can be given as MESHPROXY_<FLAG>; the flag beats it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import click

from meshproxy import __version__
from meshproxy.cli.flag import (
    files_flag,
    flag,
    intake_flags,
    limit_flag,
    listen_flag,
    output_flag,
    request_flags,
    scope_flags,
)
from meshproxy.cli.values import (
    parse_addresses,
    parse_admin,
    parse_label,
    parse_source,
    parse_workers,
    parsed_by,
)
from meshproxy.cli.variable import variables_of, warnings_of
from meshproxy.duration import parse_duration_ms
from meshproxy.errors import ConfigError
from meshproxy.listen import Address, ListenSpec, parse_resolver

if TYPE_CHECKING:
    from meshproxy.check import Output
    from meshproxy.snapshot.intake import IntakeOptions
    from meshproxy.snapshot.scope import Scope

EXIT_INVALID_CONFIG = 3


class _Verbs(click.Group):
    """Ends as filters of a shell do when their reader leaves: click would say 1, a failure."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # keeps the interpreter from complaining when it flushes at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            ctx.exit(128 + signal.SIGPIPE)


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", "-V", message="meshproxy %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """L7 traffic proxy that runs Kubernetes and Istio YAML without a control plane.

    Every flag of run can be set as MESHPROXY_<FLAG>; a flag on the command line wins.
    """
    if variables_of(cli.commands[str(ctx.invoked_subcommand)]):
        with contextlib.suppress(OSError):  # that nobody reads it is no reason to stop
            for line in warnings_of(os.environ, variables_of(cli)):
                click.echo(line, err=True)


@cli.command()
@files_flag
@listen_flag
@flag(
    "--admin",
    callback=parsed_by(parse_admin),
    default="127.0.0.1:15000",
    show_default=True,
    metavar="ADDR:PORT|off",
)
@flag(
    "--workers",
    callback=parsed_by(parse_workers),
    default="1",
    show_default=True,
    metavar="N|auto",
)
@scope_flags
@flag(
    "--resolver",
    callback=parsed_by(parse_resolver),
    default="",
    metavar="ADDR[:PORT]",
    help="DNS server for the names of ServiceEntries and ExternalNames.  [default: those of"
    " /etc/resolv.conf]",
)
@flag("--access-log", default="off", show_default=True, metavar="PATH|-|off")
@flag(
    "--access-log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
)
@flag(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
)
@click.option(
    "--explain-header",
    is_flag=True,
    envvar="MESHPROXY_EXPLAIN_HEADER",
    help="Answer a request that says `x-meshproxy-explain: 1` with the decision, in that header.",
)
@intake_flags
@limit_flag
@flag(
    "--health-checks",
    type=click.Choice(["on", "off"]),
    default="off",
    show_default=True,
    help="Carry out the readinessProbes of pods, as the kubelet does in a cluster.",
)
@flag(
    "--drain-time",
    "drain_ms",
    callback=parsed_by(parse_duration_ms),
    default="5s",
    metavar="DURATION",
    show_default=True,
    help="How long requests in flight may take after TERM.",
)
def run(
    paths: tuple[str, ...],
    listen: tuple[ListenSpec, ...],
    admin: Address | None,
    workers: int,
    scope: Scope,
    resolver: tuple[str, int] | None,
    access_log: str,
    access_log_format: str,
    log_level: str,
    explain_header: bool,
    intake: IntakeOptions,
    health_checks: str,
    limit: tuple[tuple[str, int], ...],
    drain_ms: int,
) -> NoReturn:
    """Balance and route traffic by the manifests."""
    from meshproxy.cli.end import end_at_once
    from meshproxy.cli.log import configure_logging
    from meshproxy.server.control import serve
    from meshproxy.server.options import Options

    configure_logging(log_level)
    status = serve(
        Options(
            paths=paths,
            listen=listen,
            admin=admin,
            workers=workers,
            scope=scope,
            resolver=resolver,
            access_log=access_log,
            access_log_format="json" if access_log_format == "json" else "text",
            explain_header=explain_header,
            intake=intake,
            health_checks=health_checks == "on",
            limits=dict(limit),
            drain_ms=drain_ms,
        )
    )
    end_at_once(status)


@cli.command()
@files_flag
@scope_flags
@flag(
    "--output",
    "-o",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
    help="sarif: for code review.",
)
@click.option("--strict", is_flag=True, envvar="MESHPROXY_STRICT", help="Warnings fail too.")
def check(paths: tuple[str, ...], scope: Scope, output: Output, strict: bool) -> int:
    """Say what is wrong with the manifests, and where."""
    from meshproxy.check import check_paths

    return check_paths(paths, scope, output, strict)


@cli.command()
@files_flag
@request_flags
@click.option(
    "--source-label",
    "source_labels",
    multiple=True,
    callback=parsed_by(parse_label),
    metavar="KEY=VALUE",
    help="One more label of the pod that sends the request. Repeatable.",
)
@click.option(
    "--resolve",
    "addresses",
    multiple=True,
    callback=parsed_by(parse_addresses),
    metavar="NAME=ADDR[,ADDR]...",
    help="What a DNS name resolves to: nothing is looked up. Repeatable.",
)
@flag("--seed", type=int, default=0, show_default=True, help="For the weighted and random picks.")
@click.option(
    "--source-ip",
    callback=parsed_by(parse_source),
    default="",
    metavar="ADDR",
    help="Where the request comes from.  [default: unknown]",
)
@scope_flags
@intake_flags
@output_flag
def explain(
    paths: tuple[str, ...],
    url: str,
    method: str,
    headers: tuple[tuple[str, str], ...],
    source_labels: tuple[tuple[str, str], ...],
    addresses: tuple[tuple[str, list[str]], ...],
    seed: int,
    source_ip: str,
    scope: Scope,
    intake: IntakeOptions,
    output: str,
) -> int:
    """Say which rule, cluster and endpoint a request would get, and why.

    URL is http://HOST/PATH for a request, tcp://SERVICE:PORT for a connection.
    """
    from meshproxy.cli.explain import run_explain
    from meshproxy.explain import Mesh

    caller = replace(scope, labels={**scope.labels, **dict(source_labels)})
    mesh = Mesh.from_files(
        *(paths, caller.namespace, caller.labels, caller.locality, dict(addresses), intake)
    )
    return run_explain(mesh, (method, url, headers), (seed, source_ip), output)


@cli.group()
def export() -> None:
    """Say the same in the configuration of another proxy."""


@export.command("envoy")
@files_flag
@listen_flag
@scope_flags
@intake_flags
@flag("--output", "-o", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def export_to_envoy(
    paths: tuple[str, ...],
    listen: tuple[ListenSpec, ...],
    scope: Scope,
    intake: IntakeOptions,
    output: str,
) -> int:
    """Print an Envoy bootstrap of the manifests; what Envoy cannot say goes to standard error."""
    from meshproxy.cli.export import run_export

    return run_export(paths, scope, listen, intake, output)


@cli.command()
@output_flag
def demo(output: str) -> int:
    """Show per-connection against per-request balancing on this machine."""
    from meshproxy.demo import main as run_demo

    return run_demo(output)


@cli.command()
def version() -> None:
    """Print versions and whether the compiled core is loaded."""
    from meshproxy.cli.version import describe_versions

    click.echo(describe_versions(), nl=False)


def _report_invalid(error: ConfigError) -> int:
    """Without verdicts the message says it; with them, they do."""
    for line in error.problems or [error]:
        click.echo(f"{line}", err=True)
    return EXIT_INVALID_CONFIG


def main() -> None:
    """Run the command line; never returns."""
    try:
        status = cli.main(prog_name="meshproxy", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        status = error.exit_code
    except click.ClickException as error:
        error.show()
        status = 1
    except ConfigError as error:
        status = _report_invalid(error)
    except (click.Abort, KeyboardInterrupt):
        status = 130
    sys.exit(status)
