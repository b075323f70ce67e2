"""Flags that several verbs share, and how each has its environment variable."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from meshproxy.cli.values import parse_header, parse_labels, parsed_by
from meshproxy.listen import parse_listen
from meshproxy.snapshot.intake import MAX_TRUSTED_HOPS, WORDS, IntakeOptions, parse_via
from meshproxy.snapshot.scope import Scope, parse_locality, parse_namespace

_Command = TypeVar("_Command", bound=Callable[..., Any])


def flag(name: str, *names: str, **settings: Any) -> Callable[[_Command], _Command]:
    """A click option that MESHPROXY_<NAME> can set too."""
    variable = "MESHPROXY_" + name.removeprefix("--").replace("-", "_").upper()
    return click.option(name, *names, envvar=variable, show_envvar=False, **settings)


def files_flag(command: _Command) -> _Command:
    return flag(
        "--file",
        "-f",
        "paths",
        multiple=True,
        required=True,
        type=click.Path(),
        metavar="PATH",
        help="Manifest file, folder or - for standard input. Repeatable.",
    )(command)


def listen_flag(command: _Command) -> _Command:
    return flag(
        "--listen",
        multiple=True,
        callback=parsed_by(parse_listen),
        default=["127.0.0.1:8080"],
        metavar="ADDR:PORT[=SERVICE:PORT[/tcp]]",
        help="Repeatable. Bound to a service port, it serves that service whatever the Host header"
        " says; /tcp balances connections instead of requests.  [default: 127.0.0.1:8080]",
    )(command)


def limit_flag(command: _Command) -> _Command:
    def parse(text: str) -> tuple[str, int]:
        from meshproxy.limit import parse_limit

        return parse_limit(text)

    return flag(
        "--limit",
        multiple=True,
        callback=parsed_by(parse),
        metavar="NAME=VALUE",
        help="What one client may ask, such as body=10MiB, head-time=10s or connections=1000;"
        " docs/limits.md names them all. Repeatable.",
    )(command)


def scope_flags(command: _Command) -> Callable[..., Any]:
    """Who the proxy is, and so who sends the requests: the command gets it as `scope`."""

    @flag(
        "--namespace",
        callback=parsed_by(parse_namespace),
        default=lambda: os.environ.get("POD_NAMESPACE") or "default",
        show_default="$POD_NAMESPACE, else default",
        metavar="NS",
        help="Namespace of the proxy: where short service names resolve.",
    )
    @flag(
        "--locality",
        callback=parsed_by(parse_locality),
        default="",
        metavar="REGION[/ZONE[/SUBZONE]]",
        help="Where the proxy is, for localityLbSetting and trafficDistribution.",
    )
    @flag(
        "--labels",
        callback=parsed_by(parse_labels),
        default="",
        metavar="K=V[,K=V]...",
        help="Labels of the proxy's pod, for sourceLabels, failoverPriority, workloadSelector.",
    )
    @functools.wraps(command)
    def with_scope(
        *args: Any, namespace: str, locality: str, labels: dict[str, str], **rest: Any
    ) -> Any:
        return command(*args, scope=Scope(namespace, labels=labels, locality=locality), **rest)

    return with_scope


def intake_flags(command: _Command) -> Callable[..., Any]:
    """What is believed and made of a request's head: the command gets it as `intake`."""

    @flag(
        "--path-normalization",
        type=_word("path_normalization"),
        default="BASE",
        show_default=True,
        help="Of the path that is matched and sent, as Istio's mesh option of this name.",
    )
    @flag(
        "--path-with-escaped-slashes-action",
        type=_word("path_with_escaped_slashes_action"),
        default=None,
        help="For %2F and %5C in a path.  [default: as --path-normalization has it]",
    )
    @click.option(
        "--use-remote-address",
        is_flag=True,
        envvar="MESHPROXY_USE_REMOTE_ADDRESS",
        help="Clients are strangers: their address goes behind X-Forwarded-For, and what only the"
        " mesh may say is dropped.",
    )
    @flag(
        "--xff-num-trusted-hops",
        type=click.IntRange(0, MAX_TRUSTED_HOPS),
        default=0,
        show_default=True,
        metavar="N",
        help="Proxies in front whose X-Forwarded-For entries are believed.",
    )
    @click.option(
        "--x-forwarded-host",
        is_flag=True,
        envvar="MESHPROXY_X_FORWARDED_HOST",
        help="Where a rule rewrites Host, append the one before to X-Forwarded-Host.",
    )
    @flag(
        "--via",
        callback=parsed_by(parse_via),
        default="",
        metavar="NAME",
        help="Append 1.1 NAME to Via, both ways.  [default: no Via is added]",
    )
    @flag(
        "--traceparent",
        type=_word("traceparent"),
        default="PASS",
        show_default=True,
        help="BEGIN: a request without a valid traceparent begins a trace.",
    )
    @flag(
        "--trace-sampling",
        type=click.FloatRange(0, 100),
        default=100.0,
        show_default=True,
        metavar="PERCENT",
        help="Of the traces that begin here.",
    )
    @functools.wraps(command)
    def with_intake(
        *args: Any,
        path_normalization: str,
        path_with_escaped_slashes_action: str | None,
        use_remote_address: bool,
        xff_num_trusted_hops: int,
        x_forwarded_host: bool,
        via: str,
        traceparent: str,
        trace_sampling: float,
        **rest: Any,
    ) -> Any:
        intake = IntakeOptions(
            path_normalization=path_normalization,
            path_with_escaped_slashes_action=path_with_escaped_slashes_action or "",
            use_remote_address=use_remote_address,
            xff_num_trusted_hops=xff_num_trusted_hops,
            x_forwarded_host=x_forwarded_host,
            via=via,
            traceparent=traceparent,
            trace_sampling=trace_sampling,
        )
        return command(*args, intake=intake, **rest)

    return with_intake


def _word(name: str) -> click.Choice[str]:
    return click.Choice([word.upper() for word in WORDS[name]], case_sensitive=False)


def request_flags(command: _Command) -> _Command:
    """A request: the command gets it as `url`, `method` and `headers`."""
    decorators = (
        click.argument("url"),
        flag("--request", "-X", "method", default="GET", show_default=True, metavar="METHOD"),
        click.option(
            "-H",
            "--header",
            "headers",
            multiple=True,
            callback=parsed_by(parse_header),
            metavar="'NAME: VALUE'",
            help="Repeatable.",
        ),
    )
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def output_flag(command: _Command) -> _Command:
    return flag(
        "--output",
        "-o",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
    )(command)
