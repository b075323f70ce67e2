"""`meshproxy demo`: per-connection against per-request balancing, on real processes."""

from __future__ import annotations


def main(output: str) -> int:
    """Run the demo and print it as "text" or "json"; returns the exit status."""
    from meshproxy.demo.command import run_demo  # pods import this package: keep it small

    return run_demo(output)
