"""`meshproxy simulate`: runs a scenario on some manifests and prints what it showed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from meshproxy.cli.command import cli
from meshproxy.cli.flag import (
    files_flag,
    flag,
    intake_flags,
    output_flag,
    request_flags,
    scope_flags,
)
from meshproxy.cli.values import parsed_by
from meshproxy.duration import parse_duration_us

if TYPE_CHECKING:
    from meshproxy.simulate import Behaviour, Scenario
    from meshproxy.snapshot.scope import Scope

EXIT_FAILURE = 1
EXIT_USAGE = 2

_MOST_SLOTS = 100_000  # of a pod
_SHARES = ("fail", "refuse", "reset", "hang")
_TIMES = {"service": "service_us", "join": "joins_us", "leave": "leaves_us"}
_SETTINGS = ("slow", "slots", *_SHARES, *_TIMES)


def parse_behaviour(text: str) -> Behaviour:
    """`SELECTOR:slow=10,fail=0.1`."""
    from meshproxy.simulate import Behaviour

    selector, colon, settings = text.rpartition(":")
    if not colon or not selector:
        raise ValueError(f"expected SELECTOR:SETTING=VALUE such as web-1:slow=10, found {text!r}")
    pairs = (item.partition("=") for item in settings.split(","))
    return Behaviour(selector, dict(_setting(name, value) for name, _, value in pairs))


def _setting(name: str, value: str) -> tuple[str, int | float]:
    if name in _TIMES:
        return _TIMES[name], parse_duration_us(value)
    if name not in _SETTINGS:
        raise ValueError(f"expected one of {', '.join(_SETTINGS)}, found {name!r}")
    if name == "slots":
        if not value.isdecimal() or int(value) > _MOST_SLOTS:
            raise ValueError(f"slots: expected a number up to {_MOST_SLOTS}, found {value!r}")
        return name, int(value)
    most = 1.0 if name in _SHARES else 1e6
    return name, parse_number(value, most, name)


def parse_number(text: str, most: float, name: str) -> float:
    """A number from 0 to `most`."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise ValueError(f"{name}: expected a number from 0 to {most:g}, found {text!r}")
    return number


def parse_rates(text: str) -> tuple[float, ...]:
    """`100` or `240,120,40`; "" is a closed loop."""
    rates = tuple(parse_number(item, 1e6, "rate") for item in text.split(",") if text)
    if 0 in rates:
        raise ValueError("rate: expected a number above 0")
    return rates


@cli.command()
@files_flag
@request_flags
@flag(
    "--pods",
    "behaviours",
    multiple=True,
    callback=parsed_by(parse_behaviour),
    metavar="SELECTOR:SETTING=VALUE[,...]",
    help="Pods that differ: a name with *, an address, a label k=v or how many; slow=FACTOR,"
    " service=TIME, slots=N, fail|refuse|reset|hang=SHARE, join|leave=TIME. Repeatable.",
)
@flag("--clients", type=click.IntRange(1, 100_000), default=10, show_default=True)
@flag(
    "--rate",
    "rates",
    callback=parsed_by(parse_rates),
    default="",
    metavar="R[,R...]",
    help="Requests per second of each client, in turn, at random times."
    "  [default: the next one as soon as the answer is there]",
)
@flag("--requests", type=click.IntRange(1, 10_000_000), default=10_000, show_default=True)
@flag(
    "--duration",
    "duration_us",
    callback=parsed_by(parse_duration_us),
    default="0s",
    metavar="DURATION",
    help="Virtual time after which no request starts.  [default: no limit]",
)
@flag(
    "--service-time",
    "service_us",
    callback=parsed_by(parse_duration_us),
    default="10ms",
    show_default=True,
    metavar="DURATION",
    help="Mean time that a pod takes for a request.",
)
@flag(
    "--distribution",
    type=click.Choice(["exponential", "constant"]),
    default="exponential",
    show_default=True,
    help="Of the service time.",
)
@flag(
    "--slots",
    type=click.IntRange(0, _MOST_SLOTS),
    default=0,
    metavar="N",
    help="Requests that a pod serves at a time; the others queue in it.  [default: all]",
)
@flag(
    "--keys",
    type=click.IntRange(1),
    default=1_000,
    show_default=True,
    help="How many values {key} takes.",
)
@flag("--workers", type=click.IntRange(1, 64), default=1, show_default=True)
@flag("--seed", type=click.IntRange(0), default=0, show_default=True)
@flag("--svg", type=click.Path(dir_okay=False), metavar="FILE", help="Draw the run as well.")
@scope_flags
@intake_flags
@output_flag
def simulate(
    paths: tuple[str, ...],
    url: str,
    method: str,
    headers: tuple[tuple[str, str], ...],
    svg: str | None,
    scope: Scope,
    output: str,
    **scenario: object,
) -> int:
    """Drive many requests through the proxy's own decisions, under a virtual clock.

    {client} and {key} in the URL and in headers are filled in anew for each request.
    """
    from meshproxy.explain.request import RequestView
    from meshproxy.simulate import Scenario

    try:
        request = RequestView.parse(method, url, headers)
        made = Scenario(request, **scenario)  # type: ignore[arg-type]
        return run_simulate(paths, scope, made, output, svg)
    except ValueError as error:
        click.echo(f"Error: {error}", err=True)
        return EXIT_USAGE


def run_simulate(
    paths: tuple[str, ...], scope: Scope, scenario: Scenario, output: str, svg: str | None
) -> int:
    """Verdicts go to standard error. Raises ValueError for what cannot be asked."""
    from meshproxy.config.problem import urgent
    from meshproxy.manifests import load_manifests
    from meshproxy.simulate import run
    from meshproxy.simulate.chart import draw
    from meshproxy.simulate.report import report_of
    from meshproxy.simulate.text import describe
    from meshproxy.snapshot.build import Builder

    builder = Builder(scope=scope)
    for problem in urgent(load_manifests(builder, paths)):
        click.echo(problem, err=True)
    simulation = run(builder, scenario)
    report = report_of(simulation)
    if output == "json":
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        click.echo(describe(report), nl=False)
    if svg is not None:
        try:
            with open(svg, "w", encoding="utf-8") as file:
                file.write(draw(simulation, report))
        except OSError as error:
            click.echo(f"Error: cannot write {svg}: {error.strerror}", err=True)
            return EXIT_FAILURE
    return 0
