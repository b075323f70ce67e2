from libc.stdint cimport uint64_t

cimport cython

from .balancer cimport PickRequest
from .clib.system cimport atomic_add
from .endpoint cimport Endpoint
from .forward cimport edited_request
from .headers cimport H_HOST, HeaderField
from .http1 cimport DEFAULT_HEAD_BYTES, RequestHead, request_parse
from .intake cimport INTAKE_BAD_PATH, INTAKE_REDIRECT, INTAKE_TAKEN, Intake, IntakeVerdict
from .normalize cimport head_is_normal
from .random cimport RandomState, random_next, random_seed
from .reactor cimport monotonic_us
from .reply cimport detail_text
from .router cimport request_hash
from .scoreboard cimport Cursor
from .types cimport *
from .xxh64 cimport xxh64

ROUTE_NOT_FOUND = (<bytes>detail_text(DETAIL_ROUTE_NOT_FOUND)).decode()
CLUSTER_NOT_FOUND = (<bytes>detail_text(DETAIL_CLUSTER_NOT_FOUND)).decode()
NO_HEALTHY_UPSTREAM = (<bytes>detail_text(DETAIL_NO_HEALTHY_UPSTREAM)).decode()
DIRECT_RESPONSE = (<bytes>detail_text(DETAIL_DIRECT_RESPONSE)).decode()
FAULT_ABORT = (<bytes>detail_text(DETAIL_FAULT_ABORT)).decode()
CORS_RESPONSE = (<bytes>detail_text(DETAIL_CORS_RESPONSE)).decode()


@cython.final
cdef class Binding:
    def __cinit__(self, data=None, Scoreboard scoreboard=None):
        self.id = data["id"] if data is not None else None
        self.is_tcp = data is not None and data["protocol"] == "tcp"
        self.virtual_host = data["virtual_host"] if data is not None else -1
        self.cluster = data["cluster"] if data is not None else -1
        self.cursor = NULL
        arms = data.get("clusters", ()) if data is not None else ()
        self.clusters = [cluster for cluster, _ in arms]
        self.split = None
        if len(arms) == 1:
            self.cluster = self.clusters[0]
        elif arms:
            self.split = Schedule([weight for _, weight in arms])
            self.cursor = scoreboard.route_cursor(data["slot"])

    cdef int take_cluster(self) noexcept:
        if self.split is None:
            return self.cluster
        return self.clusters[self.split.at(atomic_add(&self.cursor.value, 1))]


cdef Binding BY_HOST = Binding()
cdef Intake NO_FLAGS = Intake()


# How many of the first n turns of a split took an arm to this cluster; `cluster_ids` are those of the arms.
cdef uint64_t served_before(Schedule split, list cluster_ids, int cluster_id, uint64_t n) except? 0xffffffff:
    cdef uint64_t whole = 0, part = 0, rest, turn
    if split is None or n == 0:
        return n
    rest = n % split.period
    for turn in range(split.period):
        if cluster_ids[split.at(turn)] == cluster_id:
            whole += 1
            part += turn < rest
    return n // split.period * whole + part


# The cluster's pick at a turn; its own cursor stays where it is.
cdef Endpoint pick_at(Cluster cluster, PickRequest* request, uint64_t turn):
    cdef Cursor private = cluster.cursor[0]
    private.value = turn
    cluster.settle(request.now_us)  # so that no tier made later turns the shared cursor
    cluster.use_turns(&private)  # the GIL is held: nobody else picks meanwhile
    try:
        return cluster.pick(request)
    finally:
        cluster.use_turns(cluster.cursor)


cdef list fields_of(const RequestHead* h):
    cdef const HeaderField* f
    cdef list found = []
    cdef int i
    for i in range(h.view.headers.count):
        f = &h.view.headers.fields[i]
        if f.id != H_HOST:
            found.append(((h.view.base + f.name)[:f.name_len].lower().decode("latin-1"),
                          (h.view.base + f.value)[:f.value_len].decode("latin-1")))
    return found


@cython.final
cdef class Snapshot:
    """Generation 0 is empty; `apply` makes the next from SnapshotData, whole or delta."""

    def __cinit__(self, Scoreboard scoreboard=None, int worker=1):
        self.generation = 0
        self.scoreboard = scoreboard if scoreboard is not None else Scoreboard(1)
        self.worker = worker
        self.clusters = []
        self.hosts = HostTable([])
        self.domains = DomainTable([])
        self.bindings = {}
        self.retired = []

    def apply(self, update, uint64_t now_us=0):
        """The next Snapshot; this one stays as it is. `now_us` 0: the machine's monotonic clock.

        Raises ValueError, KeyError on malformed data."""
        cdef Snapshot after = Snapshot(self.scoreboard, self.worker)
        cdef Cluster before, cluster
        after.generation = update["generation"]
        after.clusters = list(self.clusters)
        after.hosts = HostTable([]) if update["full"] else self.hosts
        after.domains = self.domains
        after.bindings = self.bindings
        changed = dict(update["clusters"])
        if update["full"]:
            for cluster_id in range(len(self.clusters)):
                changed.setdefault(cluster_id, None)
        for cluster_id, data in changed.items():
            before = self.clusters[cluster_id] if cluster_id < len(self.clusters) else None
            cluster = None
            if data is not None:
                cluster = Cluster(data, self.scoreboard, self.worker, before, now_us)
            while len(after.clusters) <= cluster_id:
                after.clusters.append(None)
            after.clusters[cluster_id] = cluster
            if before is not None:
                kept = set(cluster.endpoints.values()) if cluster is not None else ()
                after.retired += [e for e in before.endpoints.values() if e not in kept]
        if update["virtual_hosts"]:
            most = max(update["virtual_hosts"]) + 1
            hosts = after.hosts.hosts + [None] * (most - after.hosts.count)
            for host_id, host in update["virtual_hosts"].items():
                hosts[host_id] = None if host is None else VirtualHost(host, self.scoreboard)
            after.hosts = HostTable(hosts)
        if update["domains"] is not None:
            after.domains = DomainTable(update["domains"])
        if update["listeners"] is not None:
            after.bindings = {item["id"]: Binding(item, self.scoreboard) for item in update["listeners"]}
        return after

    cdef int host_id(self, const RequestView* v, Binding binding) except? -1:
        if binding.virtual_host < 0:
            return self.domains.find(v.base + v.authority.off, v.authority.len)
        if self.hosts.at(binding.virtual_host) is None:
            return (<Binding>self.bindings.get(binding.id, BY_HOST)).virtual_host
        return binding.virtual_host

    cdef VirtualHost host_of(self, const RequestView* v, Binding binding):
        return self.hosts.at(self.host_id(v, binding))

    cdef Cluster cluster_of(self, Route route, int arm):
        return self.cluster_at(route.only_cluster if route.split is None else route.cluster_ids[arm])

    cdef Cluster cluster_at(self, int cluster_id):
        if 0 <= cluster_id < len(self.clusters):
            return self.clusters[cluster_id]
        return None

    def decide(self, bytes head, int listener=-1, unsigned long long seed=0, bytes source_ip=b"",
               bint is_live=False, Intake intake=None):
        """What the proxy would do with a request head (bytes of an HTTP/1.1 head), and why.

        `seed` is the request's number: the answer is that of a proxy which has just started, has
        served `seed` requests of this rule and draws its random numbers from `seed`. `is_live`: turns
        are those that the scoreboard's cursors stand at. No cursor moves and nothing is counted. `intake`:
        None = a proxy without flags.

        Keys: outcome (`routed`, `redirect`, `direct_response`, `fault`, `no_route`, `no_cluster`,
        `no_healthy_upstream`, `bad_request`), status, detail (of an answer made here, else 0 and ""),
        location, body (redirect, direct response), virtual_host (name or None), virtual_host_id,
        route_index, route (Route or None), rejected: list of (route_index, condition_index), arm,
        split_turn (-1 = no split), cluster (name or None), cluster_id, endpoint (text or None),
        endpoint_name, pick_turn, ring_point (-1 = no ring), hash (int or None), forwarded (the head as
        the upstream gets it, or b""), delay_ms, mirrors (cluster ids that get a copy), cors (`none`,
        `preflight`, `allowed`), cors_lines (bytes pairs), target (normalized, "" = as it came), fields (as
        the flags leave them, (name, value) without Host; None = as they came), client (address, "" = unknown). Raises ValueError if `head` is not whole.
        """
        cdef RequestHead h
        cdef RandomState random
        cdef VirtualHost host
        cdef Route route = None
        cdef Cluster cluster
        cdef int i, failing, used
        cdef unsigned long long turn
        cdef bytes peer, taken = None  # keeps the parsed bytes
        cdef Origin origin = Origin()
        cdef IntakeVerdict verdict
        answer = {"outcome": "no_route", "virtual_host": None, "virtual_host_id": -1,
                  "route_index": -1, "route": None, "rejected": [], "arm": -1, "split_turn": -1,
                  "cluster": None, "cluster_id": -1, "endpoint": None, "endpoint_name": "",
                  "pick_turn": -1, "ring_point": -1, "hash": None, "status": 404,
                  "detail": ROUTE_NOT_FOUND, "location": "", "body": b"", "forwarded": b"",
                  "delay_ms": 0, "mirrors": [], "cors": "none", "cors_lines": [], "target": "",
                  "fields": None, "client": ""}
        used = request_parse(&h, head, len(head), max(DEFAULT_HEAD_BYTES, len(head) + 1))
        if used == NEED_MORE:
            raise ValueError("expected a whole request head")
        if used < 0:
            answer.update(outcome="bad_request", status=h.error_status,
                          detail=(<bytes>detail_text(h.error_detail)).decode())
            return answer
        if intake is None:
            intake = NO_FLAGS
        if intake.is_edge or not head_is_normal(&h, intake.path_steps):
            taken = intake.take(&h, head, used, source_ip, &verdict)
            if verdict == INTAKE_REDIRECT:
                answer.update(outcome="redirect", status=307, location=intake.location(&h).decode("latin-1"),
                              detail=(<bytes>detail_text(DETAIL_BAD_PATH)).decode())
                return answer
            if verdict != INTAKE_TAKEN:
                answer.update(outcome="bad_request", status=400 if verdict == INTAKE_BAD_PATH else h.error_status,
                              detail=(<bytes>detail_text(DETAIL_BAD_PATH if verdict == INTAKE_BAD_PATH
                                                         else h.error_detail)).decode())
                return answer
            answer["target"] = (h.view.base + h.view.target.off)[:h.view.target.len].decode("latin-1")
            answer["fields"] = fields_of(&h)
        peer = source_ip + b":0" if source_ip else b""
        origin.intake = intake
        origin.remote = intake.client(&h.view, peer, len(peer))
        answer["client"] = origin.remote.rpartition(b":")[0].strip(b"[]").decode("latin-1")
        host = self.host_of(&h.view, self.bindings.get(listener, BY_HOST))
        if host is None:
            return answer
        answer["virtual_host"] = host.name
        answer["virtual_host_id"] = host.id
        for i in range(len(host.routes)):
            failing = (<Route>host.routes[i]).first_failing(&h.view)
            if failing < 0:
                route = host.routes[i]
                break
            answer["rejected"].append((i, failing))
        if route is None:
            return answer
        answer["route_index"] = i
        answer["route"] = route
        if self.answered(route, &h, answer):
            return answer
        random_seed(&random, seed)
        turn = route.cursor.value if is_live else seed
        answer["arm"] = 0
        if route.split is not None:
            answer["arm"] = route.split.at(turn)
            answer["split_turn"] = turn % route.split.period
        answer["cluster"] = route.cluster_names[answer["arm"]]
        answer["cluster_id"] = route.cluster_ids[answer["arm"]]
        cluster = self.cluster_of(route, answer["arm"])
        if cluster is not None:
            answer["pick_turn"] = (cluster.cursor.value if is_live
                                   else served_before(route.split, route.cluster_ids, answer["cluster_id"], seed))
        self.forward(route, cluster, &h, origin, &random, answer)
        return answer

    def decide_connection(self, data, unsigned long long seed=0, bytes source_ip=b"", bint is_live=False):
        """Where a connection goes that comes to a listener as `data` (ListenerData) says, as `decide` does
        for requests. Affinity to an endpoint had before is left out.

        Keys: outcome (`routed`, `no_cluster`, `no_healthy_upstream`), arm, split_turn (-1 = no split),
        cluster_id, endpoint (text or None), endpoint_name, pick_turn, ring_point, hash (int or None)."""
        cdef Binding binding = Binding(data, self.scoreboard)
        cdef Cluster cluster
        cdef Endpoint endpoint
        cdef PickRequest request
        cdef RandomState random
        cdef unsigned long long turn = seed, before = seed
        answer = {"outcome": "no_cluster", "arm": 0, "split_turn": -1, "cluster_id": binding.cluster,
                  "endpoint": None, "endpoint_name": "", "pick_turn": -1, "ring_point": -1, "hash": None}
        if binding.split is not None:
            if is_live:
                turn = binding.cursor.value
            answer["split_turn"] = turn % binding.split.period
            answer["arm"] = binding.split.at(turn)
            answer["cluster_id"] = binding.clusters[answer["arm"]]
            before = served_before(binding.split, binding.clusters, answer["cluster_id"], seed)
        cluster = self.cluster_at(answer["cluster_id"])
        if cluster is None:
            return answer
        random_seed(&random, seed)
        request.random = &random
        request.attempt = 0
        request.now_us = monotonic_us()
        request.has_hash = cluster.hashes_source and len(source_ip) > 0
        request.hash = xxh64(source_ip, len(source_ip), 0) if request.has_hash else 0
        answer["pick_turn"] = cluster.cursor.value if is_live else before
        answer["outcome"] = "no_healthy_upstream"
        endpoint = pick_at(cluster, &request, answer["pick_turn"])
        if endpoint is not None:
            answer.update(outcome="routed", endpoint=endpoint.text, endpoint_name=endpoint.name)
        if request.has_hash:
            answer.update(hash=request.hash, ring_point=cluster.ring_point(&request))
        return answer

    # As Stream does behind choose(), in its order, so that the same random state gives the same draws.
    cdef int forward(self, Route route, Cluster cluster, RequestHead* h, Origin origin,
                     RandomState* random, dict answer) except -1:
        cdef PickRequest request
        cdef Endpoint endpoint
        cdef Span request_id
        cdef list copies = []
        request.random = random
        request.attempt = 0
        request.now_us = monotonic_us()
        request.hash = 0
        request.has_hash = route.hash_count > 0 and request_hash(
            route, &h.view, origin.remote, &request.hash, None)
        if request.has_hash:
            answer["hash"] = request.hash
        if route.edits_request:
            origin.cluster = cluster.log_name if cluster is not None else b""
        answer["forwarded"] = edited_request(route, answer["arm"], h, origin, random, &request_id)
        for cluster_id, ppm in route.mirrors:
            if self.cluster_at(cluster_id) is not None and (
                    random_next(random) % 1000000 < <uint64_t>ppm):
                copies.append(cluster_id)
        if route.fault is not None:
            if route.fault.draws_delay(random):
                answer["delay_ms"] = route.fault.delay_us // 1000
            if route.fault.draws_abort(random):
                answer.update(outcome="fault", status=route.fault.abort_status, detail=FAULT_ABORT,
                              cors="none", cors_lines=[])
                return 0
        if answer["cors"] == "preflight":
            answer.update(outcome="direct_response", status=200, detail=CORS_RESPONSE)
            return 0
        if cluster is None:
            answer.update(outcome="no_cluster", status=503, detail=CLUSTER_NOT_FOUND)
            return 0
        endpoint = pick_at(cluster, &request, answer["pick_turn"])
        if endpoint is None:
            answer.update(outcome="no_healthy_upstream", status=503, detail=NO_HEALTHY_UPSTREAM)
            return 0
        if request.has_hash:
            answer["ring_point"] = cluster.ring_point(&request)
        answer["mirrors"] = copies  # they leave with the request, not with an answer made here
        answer["outcome"] = "routed"
        answer["status"] = 0
        answer["detail"] = ""
        answer["endpoint"] = endpoint.text
        answer["endpoint_name"] = endpoint.name
        return 0

    # Fills `answer` when the route replies by itself.
    cdef bint answered(self, Route route, RequestHead* h, dict answer) except -1:
        cdef int judged = 0
        if route.redirect is not None:
            answer.update(outcome="redirect", status=route.redirect.status,
                          location=route.redirect.location(&h.view).decode("latin-1"),
                          detail=DIRECT_RESPONSE)
            return True
        if route.is_direct:
            answer.update(outcome="direct_response", status=route.direct_status,
                          body=route.direct_body, detail=DIRECT_RESPONSE)
            return True
        if route.cors is not None:
            judged = route.cors.judge(&h.view, answer["cors_lines"])
        if judged == 2:
            answer["cors"] = "allowed"
        elif judged == 1:
            answer["cors"] = "preflight"
        return False

    def cluster_endpoints(self, int cluster_id):
        """[(address, name, is_healthy)] of a cluster, in its own order."""
        cdef Cluster cluster = self.clusters[cluster_id]
        return [(e.text, e.name, e in cluster.healthy) for e in cluster.endpoints.values()]
