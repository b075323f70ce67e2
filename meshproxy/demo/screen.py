"""What the user sees: steps, tables, ticks, and a progress bar that goes away at the end.

Colours, widths and cursor control are rich's: off for NO_COLOR, pipes and dumb terminals.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from rich.text import Text

Drawing = Callable[[], RenderableType]

_INDENT = (0, 0, 0, 4)


class Screen:
    """Writes to a console; with `is_brief`, only the progress bar and what failed."""

    def __init__(self, console: Console, requests: int, is_brief: bool) -> None:
        self.is_ascii = console.options.ascii_only
        self.failed = 0  # expectations that were not met
        self._console = console
        self._is_brief = is_brief
        self._drawing: Drawing = Group
        self._progress = Progress(
            TextColumn("{task.description}", style="bold"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:.0f} of {task.total:.0f} requests"),
            TimeElapsedColumn(),
            console=console,
            expand=True,
        )
        self._task = self._progress.add_task("starting", total=requests)
        self._live = Live(
            get_renderable=lambda: Group(self._drawing(), self._progress),
            console=console,
            refresh_per_second=15,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def introduce(self) -> None:
        self._print(Text("meshproxy demo: pods are HTTP server processes on loopback,"))
        self._print(Text("the proxy is `meshproxy run` on the manifests shown below"))

    def conclude(self) -> None:
        """Say how it went, once nothing runs any more."""
        elapsed = self._progress.tasks[self._task].elapsed or 0
        verdict = f"{self.failed} not as expected" if self.failed else "all as expected"
        self._print(Text(f"\n{verdict}, {elapsed:.1f} s", style="bold"))

    def begin(self, letter: str, title: str) -> None:
        self._progress.update(self._task, description=f"step {letter}")
        self._print(Text.assemble("\n", (f"({letter}) {title}", "bold")))

    def say(self, text: str) -> None:
        self._print(Padding(Text(text, style="dim"), _INDENT, expand=False))

    def show(self, what: RenderableType) -> None:
        self._print(Padding(what, _INDENT, expand=False))

    def show_edit(self, name: str, yaml: str, live_s: float) -> None:
        """A manifest that was edited under the running proxy."""
        self.say(f"{name} edited, live {live_s * 1000:.0f} ms later:")
        code = Syntax(yaml, "yaml", theme="ansi_dark", background_color="default")
        self._print(Padding(code, (0, 0, 0, 6), expand=False))

    def draw(self, drawing: Drawing) -> None:
        """Redraw this above the progress bar until `keep`."""
        if not self._is_brief:
            self._drawing = lambda: Padding(drawing(), _INDENT, expand=False)

    def keep(self) -> None:
        """Leave what was drawn on the screen as it is now."""
        drawn, self._drawing = self._drawing(), Group
        self._print(drawn)

    def advance(self) -> None:
        self._progress.advance(self._task)

    def check(self, is_met: bool, text: str) -> None:
        """An expectation and whether it holds; only then does the demo end well."""
        if not is_met:
            self.failed += 1
        sign, style = (("✓", "+"), "green") if is_met else (("✗", "x"), "red")
        line = Text.assemble((f"    {sign[self.is_ascii]} ", f"bold {style}"), text)
        if is_met:
            self._print(line)
        elif self._is_brief:
            self._console.print(f"not as expected: {text}", style="red")
        else:
            self._console.print(line)

    def _print(self, what: RenderableType) -> None:
        if not self._is_brief:
            self._console.print(what)
