"""The proxies that `play` chooses from, and what each promises of every head that it sends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from support.strict import Read

from meshproxy._fast.normalize import normalize

LOCAL = {400, 404, 408, 413, 414, 429, 431, 500, 501, 502, 503, 504, 505}
STEPS = {"none": 0, "base": 1, "merge_slashes": 3, "decode_and_merge_slashes": 3}
DECODE = 4
ESCAPED_SLASH = re.compile(rb"%(2f|5c)", re.IGNORECASE)
TRACE = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)
CLIENT = b"127.0.0.1"

RETRY: Any = {
    "attempts": 2,
    "per_try_timeout_ms": 0,
    "retry_on": ["5xx", "reset", "connect-failure"],
    "status_codes": [],
    "backoff_ms": 1,
    "avoid_previous": True,
    "remote_localities": False,
}
EDITS: Any = [{"remove": ["x-gone"], "set": [("x-set", ["a"])], "add": [("x-add", ["b"])]}]
INNER: Any = {"kind": "none", "length": 0, "pattern": "", "value": "", "authority": "inner"}
# Low enough for an input to reach; the times never end on a stage.
LIMITS = {
    "request-line": 64,
    "head": 1024,
    "headers": 8,
    "body": 64,
    "requests-per-connection": 4,
    "connections": 3,
    "pending": 4096,
    "pipelined": 1,
}

# Sooner than the others, so that each is the first to end something.
TIMES = {
    "first-byte": 2000,
    "head-time": 1500,
    "keep-alive": 3000,
    "body-idle": 4000,
    "stream-time": 20_000,
    "upgrade-idle": 5000,
}
TIGHT = {
    "max_connections": 1,
    "max_pending": 2,
    "max_requests": 3,
    "max_requests_per_connection": 3,
    "max_retries": 1,
    "max_connection_ms": 9000,
    "retry_budget_percent": 0.0,
    "retry_budget_least": 0,
}
EJECT = {
    "consecutive_5xx": 2,
    "consecutive_gateway": 2,
    "consecutive_local": 0,
    "split_local": False,
    "interval_ms": 1000,
    "base_ejection_ms": 3000,
    "max_ejection_percent": 100,
}
COPY = {"cluster": 1, "name": "copy", "ppm": 1_000_000}
LATE = {"delay_ms": 50, "delay_ppm": 1_000_000, "abort_status": 503, "abort_ppm": 300_000}

Promise = Callable[[Read], bool]


def marks_via(message: Read) -> bool:
    vias = message.values(b"via")
    return len(vias) == 1 and re.fullmatch(rb"(.*, )?1\.[01] edge", vias[0]) is not None


def begins_trace(message: Read) -> bool:
    traces = message.values(b"traceparent")
    return len(traces) == 1 and TRACE.fullmatch(traces[0]) is not None


def begins_unsampled_trace(message: Read) -> bool:
    return begins_trace(message) and message.values(b"traceparent")[0][-2:] == b"00"


def tells_host(message: Read) -> bool:
    """Unless it was called so by the client."""
    return message.values(b"host") == [b"inner"] and len(message.values(b"x-forwarded-host")) <= 1


def names_stranger(message: Read) -> bool:
    last = message.values(b"x-forwarded-for")[-1].rpartition(b",")[2].strip()
    told = [message.values(name) for name in (b"x-envoy-external-address", b"x-forwarded-proto")]
    return last == CLIENT and told == [[CLIENT], [b"http"]]


def names_trusted(message: Read) -> bool:
    told = b",".join(message.values(b"x-forwarded-for"))
    entries = [entry.strip() for entry in told.split(b",")]
    (address,) = message.values(b"x-envoy-external-address")
    return entries[-1] == CLIENT and address in entries[-2:]


@dataclass(frozen=True)
class Setting:
    """Options of the engine, fields of its one route, and what must hold of requests sent.

    `is_deaf`: who is told of an ejection fails. `is_refused`: an endpoint refuses connections.
    `is_narrow`: as in Stage.
    """

    options: dict[str, Any] = field(default_factory=dict)
    route: dict[str, Any] = field(default_factory=dict)
    promises: tuple[Promise, ...] = ()
    cluster: dict[str, Any] = field(default_factory=dict)
    timeouts: dict[str, Any] = field(default_factory=dict)
    is_deaf: bool = False
    is_refused: bool = False
    is_narrow: bool = False

    @property
    def slashes(self) -> str:
        decodes = self.options.get("path_normalization") == "decode_and_merge_slashes"
        given = self.options.get("path_with_escaped_slashes_action")
        return given or ("unescape_and_forward" if decodes else "keep_unchanged")

    def target(self, path: bytes) -> bytes | None:
        """The path that an upstream gets for it; None: it is redirected. ValueError: refused."""
        steps = STEPS[self.options.get("path_normalization", "base")]
        if not ESCAPED_SLASH.search(path) or self.slashes == "keep_unchanged":
            return normalize(path, steps)
        if self.slashes == "reject_request":
            raise ValueError(path)
        sent = normalize(path, steps | DECODE)
        return None if self.slashes == "unescape_and_redirect" else sent

    def judge_request(self, message: Read) -> None:
        for promise in self.promises:
            assert promise(message), f"{promise.__name__}: {message.start!r} {message.fields}"

    def judge_answer(self, answer: Read, given: set[int]) -> None:
        """A final one; `given`: the statuses that upstreams gave."""
        if answer.status in given:
            if self.options.get("via") and answer.status not in LOCAL:
                assert marks_via(answer), answer.fields
        elif answer.status == 307:
            assert self.slashes == "unescape_and_redirect", "a redirect out of nowhere"
            (location,) = answer.values(b"location")
            assert re.match(rb"/(?!/)|http://", location), location
        else:
            assert answer.status in LOCAL, f"{answer.status} out of nowhere"
            if answer.body and answer.values(b"content-type") == [b"application/json"]:
                assert json.loads(answer.body)["status"] == answer.status


SETTINGS = [
    Setting(),
    Setting({"access_log": "json"}, {"timeout_ms": 60_000}),
    Setting({"access_log": "text"}, {"request_edits": EDITS, "response_edits": EDITS}),
    Setting({"explain_header": True}, {"retry": RETRY}),
    Setting({"path_normalization": "decode_and_merge_slashes"}, {"prefix": "/"}),
    Setting({"limits": LIMITS, "access_log": "json"}),
    Setting({"path_normalization": "none", "path_with_escaped_slashes_action": "reject_request"}),
    Setting(
        {
            "path_normalization": "merge_slashes",
            "path_with_escaped_slashes_action": "unescape_and_redirect",
            "via": "edge",
            "explain_header": True,
        },
        {"retry": RETRY},
        (marks_via,),
    ),
    Setting(
        {
            "path_normalization": "none",
            "path_with_escaped_slashes_action": "unescape_and_forward",
            "use_remote_address": True,
            "x_forwarded_host": True,
            "traceparent": "begin",
            "trace_sampling": 0.0,
        },
        {"rewrite": INNER},
        (tells_host, names_stranger, begins_unsampled_trace),
    ),
    Setting(
        {
            "path_normalization": "decode_and_merge_slashes",
            "path_with_escaped_slashes_action": "keep_unchanged",
            "use_remote_address": True,
            "xff_num_trusted_hops": 1,
            "x_forwarded_host": True,
            "traceparent": "begin",
            "via": "edge",
            "access_log": "json",
            "explain_header": True,
        },
        {"rewrite": INNER, "request_edits": EDITS, "response_edits": EDITS},
        (tells_host, names_trusted, begins_trace, marks_via),
    ),
    Setting(
        {"use_remote_address": True, "via": "edge", "limits": LIMITS},
        {"response_edits": EDITS},
        (names_stranger, marks_via),
    ),
    Setting(is_narrow=True),
    Setting({"limits": {"pending": 4096}}, {"retry": RETRY}, is_narrow=True, is_refused=True),
    Setting({"access_log": "json"}, cluster={"limits": TIGHT}),
    Setting({"access_log": "text"}, {"retry": RETRY}, cluster={"limits": TIGHT}, is_narrow=True),
    Setting(
        {"limits": TIMES}, {"timeout_ms": 7000, "retry": RETRY | {"per_try_timeout_ms": 2500}}
    ),
    Setting(
        {"limits": TIMES, "explain_header": True},
        timeouts={"connect_timeout_ms": 1000, "idle_timeout_ms": 2500},
        is_narrow=True,
    ),
    Setting(
        route={"retry": RETRY},
        cluster={"outlier": EJECT, "lb": {"policy": "LEAST_REQUEST"}},
        is_refused=True,
    ),
    Setting(cluster={"outlier": EJECT}, is_deaf=True),
    Setting(route={"mirrors": [COPY]}),
    Setting(
        {"access_log": "json"},
        {"mirrors": [COPY], "fault": LATE, "response_edits": EDITS, "retry": RETRY},
        is_narrow=True,
    ),
    Setting(route={"fault": LATE}, cluster={"limits": TIGHT}),
    Setting({"limits": {"memory": 1}, "access_log": "json"}),
]
