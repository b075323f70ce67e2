from .access_log cimport AccessLog
from .clib.socket cimport *
from .cluster cimport Cluster
from .endpoint cimport Endpoint
from .downstream cimport DS_BODY, DS_CLOSED, DS_HEAD, Http1Downstream
from .handler cimport Handler
from .intake cimport Intake
from .listener cimport Listener
from .mirror cimport Mirror
from .overload cimport Overload
from .reactor cimport Reactor
from .relay cimport RelaySide
from .runtime cimport Runtime
from .scoreboard cimport Scoreboard
from .stream cimport Downstream
from .upstream cimport UP_BUSY, UP_CONNECTING, UP_IDLE, Pool, UpstreamConnection

cdef extern from *:
    bint MESHPROXY_PGO

PROFILE_GUIDED = MESHPROXY_PGO

cdef class Engine:
    """The data plane of one worker, inside a running asyncio or uvloop loop.

    `worker` is this worker's scoreboard column, 1..scoreboard.workers. Options: `access_log_fd`
    (-1 off; stays the caller's), `access_log_format` ("text" or "json"), `explain_header` (True: a
    request with `x-meshproxy-explain: 1` gets a response header of that name, which tells the decision),
    `limits` ({name: number}: bounds.pyx), and those of Intake.
    """

    def __cinit__(self, loop, Scoreboard scoreboard, int worker, dict options):
        if not 1 <= worker <= scoreboard.workers:
            raise ValueError(f"worker: expected 1 to {scoreboard.workers}, got {worker}")
        self.is_closed = False
        self.listeners = {}
        self.log_format = "text"
        self.rt = Runtime(Reactor(loop), scoreboard, worker, options.get("limits", {}))
        if self.rt.bounds.memory_bytes:
            self.overload = Overload(self.rt)
            self.overload.start()
        self.rt.reactor.on_batch_end = self.flush_log
        self.rt.intake = Intake(options)
        self.rt.explains = bool(options.get("explain_header", False))
        self.rt.adds_lines = self.rt.explains or len(self.rt.intake.via) > 0
        self.set_access_log(options.get("access_log_fd", -1), options.get("access_log_format", "text"))

    @property
    def generation(self):
        """Generation of the snapshot that new requests get."""
        return self.rt.snapshot.generation

    @property
    def active(self):
        """Open downstream connections."""
        return self.rt.downstream_count

    def counts(self):
        """Live objects, for tests: downstream and upstream connections, streams."""
        return {"downstream": self.rt.downstream_count, "upstream": self.rt.upstream_count,
                "streams": self.rt.stream_count, "events": self.rt.reactor.events_total}

    def apply(self, update):
        """Make `update` (SnapshotData, whole or delta) the current snapshot.

        Requests in progress end on theirs; endpoints it no longer names close what is idle.
        Raises ValueError or KeyError on malformed data, and then nothing changed."""
        cdef Endpoint e
        after = self.rt.snapshot.apply(update)
        self.rt.snapshot = after
        self.rt.drop_spares()
        self.rt.column.generation = after.generation
        for e in after.retired:
            e.is_retired = True
            if e.pool is not None:
                (<Pool>e.pool).retire()
        after.retired.clear()
        self.follow([self.rt.snapshot.cluster_at(cluster_id) for cluster_id in update["clusters"]])

    # Connections that are there take over what changed of their clusters, timeouts too.
    cdef int follow(self, list clusters) except -1:
        cdef Cluster cluster
        cdef Endpoint e
        cdef Handler h
        cdef UpstreamConnection u
        sooner = set()
        for cluster in clusters:
            for e in cluster.endpoints.values() if cluster is not None else ():
                if e.pool is not None and (<Pool>e.pool).follow(cluster):
                    sooner.add(e.pool)
        if not sooner:
            return 0
        self.rt.reactor.refresh_clock()
        for h in self.handlers():
            if isinstance(h, UpstreamConnection):
                u = <UpstreamConnection>h
                if u.pool in sooner and u.state != UP_CONNECTING:
                    u.arm_idle()
        return 0

    def listen(self, int listener_id, int fd):
        """Accept on a bound, listening, non-blocking socket, which stays the caller's."""
        cdef Listener listener = Listener(self.rt, listener_id)
        listener.open(fd)
        self.listeners.setdefault(listener_id, []).append(listener)

    def stop_listening(self):
        """Accept no more; connections go on."""
        cdef Listener listener
        for group in self.listeners.values():
            for listener in group:
                listener.stop()
        self.listeners.clear()

    def drain(self):
        """Accept no more, once what waits in the accept queue is taken; from now on every response
        says `connection: close`. Idle connections stay until `close_idle`."""
        cdef Listener listener
        for group in self.listeners.values():
            for listener in group:
                listener.accept_all()
        self.stop_listening()
        self.rt.is_draining = True

    def close_idle(self):
        """Close the connections that are between requests; one with a request on its way serves it."""
        cdef Handler h
        self.rt.reactor.refresh_clock()
        for h in self.handlers():
            if isinstance(h, Http1Downstream):
                (<Http1Downstream>h).drain()

    def close(self):
        """End everything now: open requests are cut off. Idempotent."""
        cdef Handler h
        if self.is_closed:
            return
        self.is_closed = True
        if self.overload is not None:
            self.overload.stop()
        self.stop_listening()
        for h in self.handlers():
            if isinstance(h, Downstream):
                (<Downstream>h).abort()
            elif isinstance(h, RelaySide) and (<RelaySide>h).relay is not None:
                (<RelaySide>h).relay.close_now()
        self.rt.drop_spares()
        for mirror in list(self.rt.mirrors):
            (<Mirror>mirror).end()
        for h in self.handlers():
            if isinstance(h, UpstreamConnection):
                (<UpstreamConnection>h).close_now()
        self.flush_log()
        self.rt.reactor.close()

    def set_access_log(self, int fd, str format=None):
        """Log to `fd` from now on; -1 turns the log off. `format` None keeps the one before.

        Raises ValueError for a format that is neither "text" nor "json"."""
        format = format or self.log_format
        if format not in ("text", "json"):
            raise ValueError(f'access log format: expected "text" or "json", got {format!r}')
        self.flush_log()
        self.log_format = format
        self.rt.log = AccessLog(fd, format) if fd >= 0 else None

    def on_health_event(self, callback):
        """Call `callback` with a dict when an endpoint is ejected, or would be but for
        maxEjectionPercent: event, cluster, endpoint, counter, value, for_ms, times."""
        self.rt.on_health_event = callback

    def flush_log(self):
        """Write the lines of this batch."""
        if self.rt.log is not None:
            self.rt.log.flush()

    def check(self):
        """Broken invariants of connections, pools and buffers, in words; [] when all hold. For tests."""
        cdef Handler h
        cdef Http1Downstream d
        cdef UpstreamConnection u
        cdef list broken = []
        downstreams = upstreams = sessions = idle = 0
        pools = set()
        for h in self.handlers():
            if h.is_departing:
                broken.append("a message waits outside of a batch")
            if isinstance(h, Http1Downstream):
                d = <Http1Downstream>h
                downstreams += 1
                if d.state == DS_CLOSED:
                    broken.append("a closed downstream connection is registered")
                if d.state == DS_BODY and d.stream is None:
                    broken.append("a request body without a stream")
                if d.state == DS_HEAD and d.stream is not None:
                    broken.append("a stream while the next head is awaited")
                if d.held is not None and not d.held.check() or d.out is not None and not d.out.check():
                    broken.append("a downstream buffer")
            elif isinstance(h, UpstreamConnection):
                u = <UpstreamConnection>h
                upstreams += 1
                idle += u.state == UP_IDLE
                pools.add(u.pool)
                if (u.state == UP_BUSY) != (u.sink is not None):
                    broken.append("an upstream connection is busy without a sink, or the reverse")
                if u.out is not None and not u.out.check():
                    broken.append("an upstream buffer")
            elif isinstance(h, RelaySide):
                sessions += 1
        if self.rt.reactor.outbox.count:
            broken.append("the outbox is not empty")
        if downstreams + sessions // 2 != self.rt.downstream_count:
            broken.append(f"{downstreams} downstream connections, counted {self.rt.downstream_count}")
        if sum([(<Pool>p).idle_count for p in pools]) != idle:
            broken.append("idle connections are not those of their pools' lists")
        return broken

    def handlers(self):
        cdef int i
        cdef Reactor reactor = self.rt.reactor
        registered = [<object>reactor.slots[i].handler for i in range(reactor.slots_size)
                      if reactor.slots[i].handler != NULL]
        # A connect() that failed at once waits there, without a descriptor.
        return registered + reactor.again_list
