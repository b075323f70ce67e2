"""The `meshproxy` command: flags to one call, and exit codes. Nothing else."""

from meshproxy.cli.command import main

__all__ = ["main"]
