"""`run` ends at once, and leaves nothing unsaid."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support import manifests
from support.proxy import environment, run_command

PIPE_BYTES = 65_536  # what a pipe holds before its writer waits

SCRIPT = """
import atexit, logging, logging.handlers, sys
from meshproxy.cli.end import end_at_once

class Object:
    def __del__(self):
        print("freed", file=sys.stderr)

kept = Object()
handler = logging.handlers.MemoryHandler(100, target=logging.StreamHandler(sys.stdout))
logging.getLogger().addHandler(handler)
logging.warning("logged")
atexit.register(print, "at exit")
print("printed")
end_at_once(7)
"""


def test_end_flushes_runs_exit_handlers_and_frees_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 7
    assert done.stdout.splitlines() == ["printed", "at exit", "logged"]
    assert done.stderr == ""


def test_end_without_standard_streams_keeps_the_status() -> None:
    script = "import sys; sys.stdout = sys.stderr = None; from meshproxy.cli import end"
    command = [sys.executable, "-c", f"{script}; end.end_at_once(3)"]
    assert subprocess.run(command, env=environment()).returncode == 3


def test_end_of_run_comes_after_its_last_line_also_in_a_pipe_that_was_full(tmp_path: Path) -> None:
    bad = "---\nkind: Service\napiVersion: v1\nmetadata: {name: N%d}\n"  # no lower-case name
    path = manifests.write(tmp_path, "".join(bad % i for i in range(900)))
    done = run_command("run", "-f", str(path), "--listen=127.0.0.1:0", "--admin=off")
    assert done.returncode == 3
    assert len(done.stderr) > PIPE_BYTES
    assert done.stderr.endswith('found "N899"\n')
