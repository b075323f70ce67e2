"""The control process: opens sockets, execs workers, compiles snapshots, answers signals.

Law: no traffic passes here, so nothing here may be waited for by a request.

    serve() -> sockets bound -> workers exec'ed -> snapshot compiled -> ready -> admin, watch
    HUP, file edit -> _reload()     USR1 -> reopen_logs()      USR2 -> _upgrade()
    TERM, INT -> drain() -> exit 0; a second one -> _stop_now() -> exit 128 + signal
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import uvloop

from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.config.problem import urgent
from meshproxy.errors import ConfigError
from meshproxy.listen import Address, ListenError, bound_address
from meshproxy.lookup.names import NameWatch, dns_lookup
from meshproxy.server import notify, priority
from meshproxy.server.descriptors import raise_descriptor_limit
from meshproxy.server.options import Options
from meshproxy.server.sockets import ListeningSockets
from meshproxy.server.supervisor import Supervisor, WorkerFailed
from meshproxy.server.upgrade import Inheritance, replace_process
from meshproxy.telemetry.hash_moves import HashMoves
from meshproxy.telemetry.slots import clear_new_slots

if TYPE_CHECKING:
    from meshproxy.config.problem import Problem
    from meshproxy.discovery.resolution import Resolved
    from meshproxy.health import Checker, Counts
    from meshproxy.server.configuration import Configuration
    from meshproxy.snapshot.model import SnapshotData

    _News = tuple[SnapshotData | None, list[Problem]]

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_INVALID_CONFIG = 3

_FIRST_LOOKUPS_S = 5.0  # of names, before we take over from a process that knows them
_CLEAN_UP_S = 1.0  # for the admin page and the watcher to close what they hold

_log = logging.getLogger(__name__)


def serve(options: Options) -> int:
    """Run the proxy until it is told to stop; returns the exit status."""
    inherited = Inheritance()
    try:
        sockets = ListeningSockets(options.listen, options.admin, inherited)
        check_access_log(options.access_log)
    except (ListenError, OSError) as error:
        say(f"meshproxy: {error}")
        return EXIT_FAILURE
    raise_descriptor_limit()
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(Control(options, sockets, inherited).run())
    finally:
        sockets.close()
        loop.close()


class Control:
    """One control process; also what the admin pages and metrics read (`admin.ProxyControl`)."""

    def __init__(
        self, options: Options, sockets: ListeningSockets, inherited: Inheritance
    ) -> None:
        self.scoreboard = Scoreboard(options.workers)
        self.hash_moves = HashMoves()
        self.intake = options.intake
        self.addresses: Sequence[Address] = sockets.addresses
        self._options = options
        self._sockets = sockets
        self._inherited = inherited
        self._started_at = time.monotonic()
        self._is_serving = False
        self._is_draining = False  # the workers were told to finish; /ready says 503
        self._is_stopping = False  # and this process ends after them
        self._is_upgrading = False
        self._configuration: Configuration | None = None
        self._supervisor: Supervisor | None = None
        self._names = NameWatch(dns_lookup(options.resolver), self._on_resolved)
        self._exit: asyncio.Future[int] = asyncio.get_event_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._checker: Checker | None = None
        self._turns = priority.Turns()

    async def run(self) -> int:
        options = self._options
        self._supervisor = supervisor = Supervisor(
            options.workers,
            self.scoreboard,
            [sock.fileno() for sock in self._sockets.traffic],
            options.for_workers(),
            lambda: self.snapshot,
        )
        self._handle_signals()
        try:
            await supervisor.spawn_all()
            if not self._load():
                return EXIT_INVALID_CONFIG
            if self._inherited.has_predecessor:
                await self._names.settled(_FIRST_LOOKUPS_S)  # it serves meanwhile
            await supervisor.serve()
            priority.give_way()
            self._on_ready()
            return await self._exit
        except WorkerFailed as error:
            _log.error("%s", error)
            return EXIT_FAILURE
        finally:
            supervisor.kill()
            self._names.close()
            if self._checker is not None:
                self._checker.close()
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=_CLEAN_UP_S)

    # what the admin pages and the metrics read

    @property
    def snapshot(self) -> SnapshotData:
        assert self._configuration is not None
        return self._configuration.snapshot

    @property
    def is_ready(self) -> bool:
        return self._is_serving and not self._is_draining

    @property
    def workers(self) -> Sequence[int]:
        return [worker.pid for worker in list(self._live_supervisor.workers.values())]

    @property
    def worker_restarts(self) -> int:
        return self._live_supervisor.restarts

    @property
    def config_age_s(self) -> float:
        assert self._configuration is not None
        return time.monotonic() - self._configuration.live_since

    @property
    def rejected_objects(self) -> int:
        assert self._configuration is not None
        return self._configuration.rejected_count

    @property
    def failing_names(self) -> int:
        return self._names.failing

    @property
    def uptime_s(self) -> float:
        return time.monotonic() - self._started_at

    @property
    def health_checks(self) -> Mapping[str, Counts]:
        return self._checker.counts if self._checker is not None else {}

    # what they may ask for

    def drain_listeners(self) -> None:
        """Stop serving, keep the admin pages."""
        if not self._is_draining:
            self._start(self._drain())

    def quit(self) -> None:
        """Drain, then exit 0."""
        self._is_stopping = True
        notify.notify_stopping()
        self._start(self._drain_and_exit())

    # start

    @property
    def _live_supervisor(self) -> Supervisor:
        assert self._supervisor is not None
        return self._supervisor

    def _load(self) -> bool:
        from meshproxy.server.configuration import Configuration  # workers load meanwhile

        options = self._options
        try:
            self._configuration = Configuration(options.paths, options.scope, options.listen)
        except ConfigError as error:
            say(*error.problems)
            return False
        say(*urgent(self._configuration.problems))
        self._names.follow(self._configuration.names)
        return True

    def _on_ready(self) -> None:
        assert self._configuration is not None
        self._is_serving = True
        where = ", ".join(map(str, self.addresses))
        services = self._configuration.service_count
        say(
            f"ready: listening on {where}, {services} service{'' if services == 1 else 's'}, "
            f"generation {self.snapshot['generation']}"
        )
        self._inherited.tell_predecessor()
        notify.notify_ready()
        self._start(self._watch())
        if self._options.health_checks:
            from meshproxy.health import Checker

            self._checker = Checker(self._on_failing)
            self._update_checks()
        if self._sockets.admin is not None:
            self._start(self._serve_admin(self._sockets.admin))

    async def _serve_admin(self, sock: socket.socket) -> None:
        _log.info("admin: listening on http://%s", bound_address(sock))
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(sock, asked.set)
        try:
            await asked.wait()
        finally:
            loop.remove_reader(sock)
        # a web framework is 5 MB and 0.1 s: paid by the first who asks, not by every start
        from meshproxy.admin import serve_admin

        await serve_admin(self, sock)

    async def _watch(self) -> None:
        from meshproxy.config.source import list_files
        from meshproxy.discovery.watch import watch

        changes = watch(self._options.paths)
        try:
            upcoming = asyncio.ensure_future(anext(changes))
            # the watcher has begun its first look: what was edited between our load and that
            # look is news to nobody else
            await asyncio.to_thread(list_files, self._options.paths)
            await self._reload(is_expected=False)
            while True:
                await self._reload(await upcoming)
                upcoming = asyncio.ensure_future(anext(changes))
        finally:
            upcoming.cancel()

    async def _reload(self, changed: Collection[str] = (), is_expected: bool = True) -> None:
        """Bring the files' present content to the workers; keep what was good of what is not."""
        configuration = self._configuration
        assert configuration is not None
        notify.notify_reloading()
        news = self._take_over(lambda: configuration.reload(changed))
        notify.notify_ready()
        if news is None:
            return
        self._names.follow(configuration.names)
        self._update_checks()
        update, problems = news
        if update is None and not problems and not is_expected:
            return
        _log.info(
            "%s: generation %d, rejected objects: %d",
            "reloaded" if update is not None else "nothing changed for traffic",
            self.snapshot["generation"],
            self.rejected_objects,
        )

    def _on_resolved(self, found: Resolved) -> None:
        """Bring the addresses of DNS names to the workers."""
        configuration = self._configuration
        assert configuration is not None
        self._take_over(lambda: configuration.resolve(found))
        for name, resolution in found.items():
            shown = ", ".join(resolution.addresses) or resolution.error
            _log.debug("%s: %s, generation %d", name, shown, self.snapshot["generation"])

    def _on_failing(self, failing: frozenset[str]) -> None:
        """Bring to the workers which pods fail their health checks."""
        configuration = self._configuration
        assert configuration is not None
        self._take_over(lambda: (configuration.set_failing(failing), []))

    def _update_checks(self) -> None:
        if self._checker is not None and self._configuration is not None:
            self._checker.update(
                self._configuration.probe_targets(), self._configuration.clusters_by_identity()
            )

    def _take_over(self, change: Callable[[], _News]) -> _News | None:
        """Make a change of the configuration, say what is new and send what it is for traffic."""
        before = self.snapshot
        with self._turns.taken():
            try:
                update, problems = change()
            except Exception:  # a bug of ours: the next change must find us at work
                generation = before["generation"]
                _log.exception("internal error in a reload; generation %d stays", generation)
                return None
            say(*urgent(problems))
            if update is not None:
                clear_new_slots(self.scoreboard, before, update)
                self._live_supervisor.send_update(update)
                for line in self.hash_moves.follow(before, update):
                    _log.info("%s", line)
        return update, problems

    # signals

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop_signal, number)
        loop.add_signal_handler(signal.SIGHUP, self._when_serving, self._reload)
        loop.add_signal_handler(signal.SIGUSR1, self._when_serving, self._reopen_logs)
        loop.add_signal_handler(signal.SIGUSR2, self._when_serving, self._upgrade)

    def _on_stop_signal(self, number: signal.Signals) -> None:
        if not self._is_serving or self._is_stopping:
            self._finish(128 + number)
        else:
            self.quit()

    def _when_serving(self, action: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self.is_ready:
            self._start(action())

    async def _reopen_logs(self) -> None:
        self._live_supervisor.reopen_logs()

    async def _upgrade(self) -> None:
        """Start the new binary; drain once it serves."""
        if self._is_upgrading:
            return
        self._is_upgrading = True
        try:
            if await replace_process(self._sockets.named, self._options):
                self.quit()
        finally:
            self._is_upgrading = False

    # stop

    async def _drain(self) -> None:
        self._is_draining = True
        self._sockets.close_traffic()
        await self._live_supervisor.drain(self._options.drain_ms)

    async def _drain_and_exit(self) -> None:
        await self._drain()
        self._finish(EXIT_OK)

    def _finish(self, status: int) -> None:
        if not self._exit.done():
            self._exit.set_result(status)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("internal error; traffic is not affected", exc_info=task.exception())


def check_access_log(target: str) -> None:
    """Fail here, in one line, rather than in every worker. Raises OSError."""
    if target not in ("-", "off"):
        try:
            with open(target, "ab"):
                pass
        except OSError as error:
            raise OSError(f"cannot write the access log {target}: {error.strerror}") from error


def say(*lines: object) -> None:
    """Write lines to standard error; that nobody reads it is no reason to stop serving."""
    with contextlib.suppress(OSError):
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()
