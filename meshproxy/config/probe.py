"""readinessProbe of a container, which `run --health-checks on` carries out."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from .model import Model
from .problem import quote
from .scalar import IntOrString, refuse

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_LINE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_TARGET = re.compile(r"/?[!-~]*")


def _header_name(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise refuse("MP104", f"expected a header name, found {quote(text)}")
    return text


def _one_line(text: str) -> str:
    if not _LINE.fullmatch(text):
        raise refuse("MP104", f"expected one line without control characters, found {quote(text)}")
    return text


def _path(text: str) -> str:
    if not _TARGET.fullmatch(text):
        raise refuse("MP104", f"expected a path such as /ready, found {quote(text)}")
    return text if text.startswith("/") else f"/{text}"


# Kubernetes takes 0 as the default
Seconds = Annotated[int, Field(ge=0, le=2**31 - 1)]


class HttpHeader(Model):
    name: Annotated[str, AfterValidator(_header_name)] = Field(description="Its name.")
    value: Annotated[str, AfterValidator(_one_line)] = Field(
        default="", description="Its value, as it is sent."
    )


class HttpGetAction(Model):
    path: Annotated[str, AfterValidator(_path)] = Field(
        default="/", description="What is asked for; any status from 200 to 399 passes."
    )
    port: IntOrString = Field(description="A number, or the name of a port of the container.")
    host: str = Field(default="", description="An IP address in place of the pod's own.")
    scheme: Literal["HTTP", "HTTPS"] = Field(
        default="HTTP", description="HTTPS is not carried out."
    )
    http_headers: list[HttpHeader] = Field(
        default_factory=list, description="To be sent as well, or in place of Host and such."
    )


class TcpSocketAction(Model):
    port: IntOrString = Field(description="A number, or the name of a port of the container.")
    host: str = Field(default="", description="An IP address in place of the pod's own.")


class ExecAction(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset({"command"})


class GrpcAction(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset({"port", "service"})


class Probe(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset({"terminationGracePeriodSeconds"})

    http_get: HttpGetAction | None = Field(default=None, description="Passes by its status.")
    tcp_socket: TcpSocketAction | None = Field(
        default=None, description="Passes when it can be connected to."
    )
    exec_: ExecAction | None = Field(
        default=None, alias="exec", description="Not carried out: `check` says so."
    )
    grpc: GrpcAction | None = Field(default=None, description="Not carried out: `check` says so.")
    initial_delay_seconds: Seconds = Field(
        default=0, description="Time before the first probe, from when the pod is first known."
    )
    period_seconds: Seconds = Field(
        default=0, description="Time from one probe to the next; 0 = 10."
    )
    timeout_seconds: Seconds = Field(
        default=0, description="Time for connecting and the answer; 0 = 1."
    )
    success_threshold: Seconds = Field(
        default=0, description="Passed probes in a row that make a pod ready again; 0 = 1."
    )
    failure_threshold: Seconds = Field(
        default=0, description="Failed probes in a row that take a pod out; 0 = 3."
    )

    @model_validator(mode="after")
    def _has_one_handler(self) -> Probe:
        handlers = [
            name
            for name, value in (
                ("httpGet", self.http_get),
                ("tcpSocket", self.tcp_socket),
                ("exec", self.exec_),
                ("grpc", self.grpc),
            )
            if value is not None
        ]
        if not handlers:
            raise refuse("MP103", "expected one of httpGet, tcpSocket, exec, grpc, found none")
        if len(handlers) > 1:
            raise refuse("MP111", f"expected one handler, found {' and '.join(handlers)}")
        return self
