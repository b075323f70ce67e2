"""The `meshproxy` command: flags to one call, and exit codes. Nothing else."""

from meshproxy.cli import simulate as _simulate  # noqa: F401  adds its verb
from meshproxy.cli.command import main

__all__ = ["main"]
