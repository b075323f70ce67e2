"""A run as one document (JSON) and as text."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from benchmarks import goals, result
from benchmarks.machine import Machine
from benchmarks.measure import Round, Settings
from benchmarks.workload import WORKLOADS

Document = dict[str, Any]

# Above this share of foreign work on the proxy's core, caches and clocks are no longer the peer's.
FOREIGN_LIMIT = 0.05
# Keep-alive work should open few upstream connections; one per request is a misconfigured peer.
REUSE_LIMIT = 0.05
COLUMNS = (
    ("req/s", "requests_per_s", "{:.0f}"),
    ("cpu us", "cpu_us", "{:.2f}"),
    ("user", "cpu_user_us", "{:.2f}"),
    ("sys", "cpu_system_us", "{:.2f}"),
    ("worker", "worker_cpu_us", "{:.2f}"),
    ("MB/cpu s", "mb_per_cpu_s", "{:.0f}"),
    ("p50 ms", "p50_ms", "{:.2f}"),
    ("p99 ms", "p99_ms", "{:.2f}"),
    ("p99.9", "p999_ms", "{:.2f}"),
    ("RSS MB", "rss_mb", "{:.1f}"),
    ("PSS MB", "pss_mb", "{:.1f}"),
    ("ready ms", "ready_ms", "{:.0f}"),
    ("core", "proxy_core_busy", "{:.0%}"),
    ("load", "load_core_busy", "{:.0%}"),
    ("up cx", "upstream_connections", "{:.0f}"),
    ("max/mean", "upstream_max_over_mean", "{:.3f}"),
    ("slow", "slow_share", "{:.1%}"),
    ("B/cx", "connection_bytes", "{:.0f}"),
)


def document(
    *,
    command: str,
    machine: Machine,
    settings: Settings,
    load: str,
    versions: dict[str, str],
    missing: dict[str, str],
    absent: dict[str, dict[str, str]],
    rounds: list[Round],
) -> Document:
    return {
        "command": command,
        "machine": machine,
        "settings": asdict(settings),
        "load": load,
        "peers": versions,
        "missing": missing,
        "absent": absent,
        "against_small": _against_small(rounds, list(versions)),
        "workloads": {
            name: _workload(
                [each for each in rounds if each.workload == name],
                list(versions),
                WORKLOADS[name].figure,
            )
            for name in dict.fromkeys(each.workload for each in rounds)
        },
        "goals": goals.verdicts(rounds),
        "errors": [
            f"{each.workload} round {each.number} {each.peer}: {error}"
            for each in rounds
            for error in each.errors
        ],
        "warnings": _warnings(rounds),
    }


def _workload(rounds: list[Round], peers: list[str], figure: str = "cpu_us") -> Document:
    return {
        "figure": figure,
        "median": {peer: result.medians(result.valid(rounds, peer)) for peer in peers},
        "cpu_us_spread": {
            peer: result.spread(result.valid(rounds, peer), "cpu_us") for peer in peers
        },
        "ratios": {metric: result.ratios(rounds, peers, metric) for metric in result.RATIOS},
        "rounds": [asdict(each) for each in rounds],
    }


def _against_small(rounds: list[Round], peers: list[str]) -> dict[str, result.Medians]:
    """Return {workload: {peer: CPU per request there / in `small`}}."""
    table: dict[str, result.Medians] = {}
    for name in dict.fromkeys(each.workload for each in rounds):
        for peer in peers if name != "small" else ():
            value = result.against(rounds, peer, name, "small", "cpu_us")
            if value is not None:
                table.setdefault(name, {})[peer] = value
    return table


def _warnings(rounds: list[Round]) -> list[str]:
    found = []
    for each in rounds:
        where = f"{each.workload} round {each.number} {each.peer}"
        if each.foreign > FOREIGN_LIMIT:
            found.append(f"{where}: others used {each.foreign:.0%} of the proxy's core")
        has_pool = each.peer != "floor" and each.workload not in ("l4", "routes", "slowpod")
        if has_pool and each.upstream_connections > max(256, REUSE_LIMIT * each.requests):
            found.append(f"{where}: {each.upstream_connections} upstream connections, no reuse")
    return found


def progress(each: Round) -> str:
    head = f"{each.workload:8} round {each.number} {each.peer:10}"
    if each.errors:
        return f"{head} INVALID: {'; '.join(each.errors)}"
    return (
        f"{head} {each.requests_per_s:8.0f} req/s  {each.cpu_us:7.2f} us CPU"
        f"  p99 {each.p99_ms:.2f} ms  foreign {each.foreign:.0%}"
    )


def text(run: Document) -> str:
    box, settings = run["machine"], run["settings"]
    lines = [
        f"machine   {box['cpu']}, {box['cores']} cores, {box['memory_mb']} MB, {box['kernel']},"
        f" {box['system']}, load {box['load_average']}",
        f"command   {run['command']}",
        f"load      {run['load']}, {settings['connections']} connections, core"
        f" {settings['load_core']} (with the upstreams); proxies on core {settings['proxy_core']}",
    ]
    lines += [f"{name:9} {version}" for name, version in run["peers"].items()]
    lines += [f"{name:9} MISSING: {reason}" for name, reason in run["missing"].items()]
    for name, workload in run["workloads"].items():
        lines += ["", *_figures(name, workload)]
        lines += ["", *_ratios(name, workload)]
        for peer, why in run["absent"].get(name, {}).items():
            lines.append(f"{peer} takes no part: {why}")
        for peer, value in run["against_small"].get(name, {}).items():
            lines.append(f"{peer}: {value:.2f} times its own CPU per request of `small`")
    lines += ["", *_goals(run["goals"])] if run["goals"] else []
    lines += ["", *(f"ERROR: {error}" for error in run["errors"])] if run["errors"] else []
    lines += ["", *(f"warning: {warning}" for warning in run["warnings"])]
    return "\n".join(lines).rstrip()


def _figures(name: str, workload: Document) -> list[str]:
    rows = [[name, *(title for title, _, _ in COLUMNS), "spread"]]
    for peer, medians in workload["median"].items():
        if medians:
            cells = [form.format(medians[metric]) for _, metric, form in COLUMNS]
            rows.append([peer, *cells, f"{workload['cpu_us_spread'][peer]:.0%}"])
        else:
            rows.append([peer, "no valid round"])
    return _table(rows)


def _goals(verdicts: list[goals.Verdict]) -> list[str]:
    rows = [["goal", "", "measured", ""]]
    for each in verdicts:
        missed = each["missed_by"]
        verdict = f"missed by {missed:.1%}" if missed else "met"
        rows.append([each["workload"], each["goal"], f"{each['measured']:.2f}", verdict])
    return _table(rows, left=2)


def _ratios(name: str, workload: Document) -> list[str]:
    figure = workload["figure"]
    ratios = workload["ratios"][figure]
    rows = [["", *ratios]]
    for peer, row in ratios.items():
        cells = (f"{row[base]:.2f}" if base in row else "-" for base in ratios)
        rows.append([peer, *cells])
    return [f"{name}: {result.WORDS[figure]}, row / column", *_table(rows)]


def _table(rows: list[list[str]], left: int = 1) -> list[str]:
    width = max(len(row) for row in rows)
    padded = [row + [""] * (width - len(row)) for row in rows]
    sizes = [max(len(row[column]) for row in padded) for column in range(width)]
    return [
        "  ".join(
            cell.ljust(size) if column < left else cell.rjust(size)
            for column, (cell, size) in enumerate(zip(row, sizes, strict=True))
        ).rstrip()
        for row in padded
    ]
