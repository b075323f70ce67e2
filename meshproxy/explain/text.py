"""A decision as a person would tell it: what happened, then why, in the order it was decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from meshproxy.explain.balance import EndpointStory
from meshproxy.explain.decision import Decision
from meshproxy.explain.forwarding import HeaderChanges, HeaderEdits
from meshproxy.explain.host import HostStory
from meshproxy.explain.rules import RuleStory
from meshproxy.explain.story import Story, duration

LABEL_WIDTH = 11
_VALUE_WIDTH = 32  # what stands before a source
_MOST_ENDPOINTS = 20
_MOST_RULES_NOT_ASKED = 3
BOLD, RED, GREEN, _DIM = "1", "31", "32", "2"

_FLAGS = {
    "no_route": "NR",
    "no_cluster": "NC",
    "no_healthy_upstream": "UH",
    "fault": "FI",
    "bad_request": "DPE",
}
_STATES = {"matched": "yes", "failed": "no", "not_applicable": "n/a", "not_asked": "-"}
_STATE_PAINT = {"matched": GREEN, "not_asked": _DIM, "not_applicable": _DIM}
_COPIES = {True: "sent", False: "not drawn"}

Line = tuple[str, str]  # label (may be "") and text


def describe(decision: Decision, has_color: bool = False) -> str:
    """Give the lines of `meshproxy explain`."""
    story = decision.story()
    painted = Paint(has_color)
    lines = [painted.outcome(decision), ""]
    lines += [
        f"{painted(f'{label:<{LABEL_WIDTH}}', BOLD)}{text}".rstrip()
        for label, text in _sections(decision, story, painted)
    ]
    return "\n".join(lines) + "\n"


class Paint:
    """Colours for a terminal, or none."""

    def __init__(self, is_on: bool) -> None:
        self._is_on = is_on

    def __call__(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._is_on and code else text

    def outcome(self, decision: Decision) -> str:
        """The whole answer in a line."""
        request = decision.request
        asked = f"{request.method} http://{request.authority}{request.path}"
        if decision.outcome == "routed":
            pod = f" ({decision.pod})" if decision.pod else ""
            return self(f"{asked} -> {decision.endpoint}{pod}", GREEN)
        flag = _FLAGS.get(decision.outcome)
        if flag is None:
            return self(f"{asked} -> {decision.status} {decision.outcome}", GREEN)
        # the letters and the word of the access log
        return self(f"{asked} -> {decision.status} {flag} {decision.detail}", RED)


def _sections(decision: Decision, story: Story, paint: Paint) -> Iterator[Line]:
    if decision.outcome != "bad_request":
        yield from _labelled("host", _host(story.host, decision.virtual_host))
    yield from _labelled("rules", _rules(decision, story.rules, paint))
    yield from _labelled("split", _split(decision, story))
    yield from _labelled("answer", _answer(decision, story))
    yield from _labelled("fault", _fault(story))
    yield from _labelled("cors", _cors(story))
    yield from _labelled("mirror", _mirrors(story))
    yield from _labelled("forward", _forward(decision, story))
    if story.response_headers is not None:
        yield from _labelled("response", _edits(story.response_headers))
    for setting in story.settings:
        if setting.name in ("timeout", "retries"):
            yield setting.name, _with(setting.value, setting.source)
    yield from _labelled("hash", _hash(decision, story))
    yield from _labelled("cluster", _cluster(decision, story))
    yield from _labelled("endpoints", _endpoints(decision, story, paint))
    if story.pick is not None:
        yield "pick", story.pick
    yield "generation", str(decision.generation)


def _labelled(label: str, lines: Iterable[str]) -> Iterator[Line]:
    for line in lines:
        yield label, line
        label = ""


def _with(value: str, source: object) -> str:
    """A value and, in a column of its own, who said so."""
    return f"{value:<{_VALUE_WIDTH}}  {source}" if source is not None else value


def _host(host: HostStory, virtual_host: str | None) -> Iterator[str]:
    if host.domain is None:
        yield f"{host.authority}: no service or VirtualService has this name"
        if host.similar:
            yield f"did you mean {' or '.join(host.similar)}?"
        return
    name = {"exact": "name", "suffix": "wildcard", "any": "wildcard"}[host.form or "exact"]
    ports = ", ".join(str(port) for port in host.ports)
    if virtual_host is None:
        yield f'{host.authority}: {name} "{host.domain}" has ports {ports}, and none is chosen:'
        yield "the Host names none of them and 80 is not among them"
        return
    rule = {
        "given": "port as in the Host",
        "port_80": f"port 80, which it has among {ports}",
        "only_port": "its only port",
        "none": "",
    }[host.port_rule or "none"]
    yield f'{host.authority} is {virtual_host}: {name} "{host.domain}", {rule}'


def _rules(decision: Decision, rules: tuple[RuleStory, ...], paint: Paint) -> Iterator[str]:
    if not rules:
        if decision.virtual_host is not None:
            yield "none: the VirtualService of this host has no rule for this port and caller"
        return
    owners = dict.fromkeys(rule.virtual_service for rule in rules)
    if set(owners) == {None}:
        yield "default route: no VirtualService applies to this host"
        return
    yield f"VirtualService {', '.join(str(owner) for owner in owners)}; the first that holds wins"
    names = [f"{rule.rule} ({rule.name})" if rule.name else f"{rule.rule}" for rule in rules]
    if len(owners) > 1:  # a root and its delegates
        pairs = zip(names, rules, strict=True)
        names = [f"{rule.virtual_service} {name}" for name, rule in pairs]
    wide = max(len(name) for name in names)
    place = max(len(rule.at or "") for rule in rules)
    left = 0
    for name, rule in zip(names, rules, strict=True):
        if rule.state == "not_asked":
            left += 1
            if left > _MOST_RULES_NOT_ASKED:
                continue
        reasons = rule.reasons or ("",)
        if rule.state == "matched":
            reasons = (" and ".join(rule.reasons) or "no conditions",)
        elif rule.state == "not_asked":
            reasons = ("not asked",)
        state = f"{_STATES[rule.state]:<5}"
        start = f"  {name:<{wide}}  {rule.at or '':<{place}}  "
        yield paint(start + state + reasons[0], _STATE_PAINT.get(rule.state, ""))
        for reason in reasons[1:]:
            yield paint(f"{'':<{len(start)}}{'or':<5}{reason}", _STATE_PAINT.get(rule.state, ""))
    if left > _MOST_RULES_NOT_ASKED:
        yield paint(f"  and {left - _MOST_RULES_NOT_ASKED} more, not asked", _DIM)


def _split(decision: Decision, story: Story) -> Iterator[str]:
    if len(decision.split) < 2:
        return
    total = sum(arm.weight for arm in decision.split)
    width = len(str(max(arm.weight for arm in decision.split)))
    for index, arm in enumerate(decision.split):
        mark = f" <- turn {story.split_turn}" if index == story.arm else ""
        share = f"{arm.weight:>{width}} of {total}"
        yield f"{share}  {arm.cluster}{mark}"


def _answer(decision: Decision, story: Story) -> Iterator[str]:
    if story.location is not None:
        yield f"{decision.status}, location: {story.location}"
    elif story.body is not None:
        body = story.body.encode("unicode_escape").decode("ascii")
        yield f'{decision.status}, body "{body}"' if body else f"{decision.status}, no body"


def _fault(story: Story) -> Iterator[str]:
    fault = story.fault
    if fault is None:
        return
    if fault.delay_ms:
        drawn = "drawn" if fault.is_delayed else "not drawn"
        delay = f"delay {duration(fault.delay_ms)} for {fault.delay_percent:g} %: {drawn}"
        yield _with(delay, fault.source)
    if fault.abort_status:
        drawn = "drawn" if fault.is_aborted else "not drawn"
        abort = f"abort {fault.abort_status} for {fault.abort_percent:g} %: {drawn}"
        yield _with(abort, fault.source)


def _cors(story: Story) -> Iterator[str]:
    if story.cors is None:
        return
    words = {
        "preflight": "preflight, answered here",
        "allowed": "origin allowed",
        "none": "no Origin that it allows",
    }[story.cors.verdict]
    yield _with(words, story.cors.source)
    yield from (f"+ {name}: {value}" for name, value in story.cors.headers)


def _mirrors(story: Story) -> Iterator[str]:
    for mirror in story.mirrors:
        words = f"{mirror.percent:g} % to {mirror.cluster}: {_COPIES[mirror.is_sent]}"
        yield _with(words, mirror.source)


def _forward(decision: Decision, story: Story) -> Iterator[str]:
    if story.path is None or story.authority is None or story.request_headers is None:
        return
    if decision.outcome != "routed":
        return  # it does not leave
    if story.path.before != story.path.after:
        yield f"path {story.path.before} -> {story.path.after}"
    else:
        yield f"path {story.path.after}"
    if story.authority.before != story.authority.after:
        yield f"host {story.authority.before} -> {story.authority.after}"
    yield from _changes(story.request_headers)


def _changes(headers: HeaderChanges) -> Iterator[str]:
    for name, value in headers.removed:
        yield f"- {name}: {value}"
    for name, before, after in headers.changed:
        yield f"~ {name}: {before} -> {after}"
    for name, value in headers.added:
        shown = "(a new one for each request)" if name == "x-request-id" else value
        yield f"+ {name}: {shown}"


def _edits(edits: HeaderEdits) -> Iterator[str]:
    yield from (f"- {name}" for name in edits.remove)
    yield from (f"= {name}: {value}" for name, value in edits.set)
    yield from (f"+ {name}: {value}" for name, value in edits.add)


def _hash(decision: Decision, story: Story) -> Iterator[str]:
    for policy in story.hash_policies:
        what = "source IP" if policy.kind == "source_ip" else f"{policy.kind} {policy.name}"
        value = "is absent" if policy.value is None else f'"{policy.value}"'
        if policy.kind == "source_ip" and policy.value is None:
            value = "is not known here"
        yield f"{what}: {value}"


def _cluster(decision: Decision, story: Story) -> Iterator[str]:
    if decision.cluster is None:
        return
    yield decision.cluster
    if decision.outcome == "no_cluster":
        yield "no service has this port, or no DestinationRule this subset"
    for setting in story.settings:
        if setting.name not in ("timeout", "retries"):
            yield _with(f"{setting.name} {setting.value}", setting.source)


def _nowhere(story: Story) -> str:
    if not story.dns_names:
        return "none: no ready pod or address is behind this cluster"
    names = ", ".join(story.dns_names)
    if story.is_live:
        return f"none: no address is known of {names}"
    return f"none: {names} is looked up by a running proxy; here --resolve NAME=ADDRESS says it"


def _endpoints(decision: Decision, story: Story, paint: Paint) -> Iterator[str]:
    if not story.endpoints and decision.outcome == "no_healthy_upstream":
        yield _nowhere(story)
    yield from endpoint_lines(story.endpoints, paint)


def endpoint_lines(endpoints: Sequence[EndpointStory], paint: Paint) -> Iterator[str]:
    """One line for each endpoint, the picked one marked."""
    shown = [
        item for index, item in enumerate(endpoints) if index < _MOST_ENDPOINTS or item.is_picked
    ]
    if not shown:
        return
    address = max(len(item.address) for item in shown)
    pod = max(len(item.pod or "") for item in shown)
    weighted = len({item.weight for item in endpoints}) > 1
    for item in shown:
        words = [item.reason]
        if weighted:
            words.append(f"weight {item.weight}")
        if item.in_flight is not None:
            words.append(f"{item.in_flight} in flight")
        mark = "*" if item.is_picked else " "
        line = f"{mark} {item.address:<{address}}  {item.pod or '':<{pod}}  {', '.join(words)}"
        yield paint(line, GREEN if item.is_picked else "" if item.is_ready else _DIM)
    if len(shown) < len(endpoints):
        yield f"  and {len(endpoints) - len(shown)} more"
