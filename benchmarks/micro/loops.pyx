# loops: Python's way into the compiled decisions, for timing only. Heads are parsed once per call, as the
# peers parse them; picks and matches run in a C loop, since a call from Python costs more than one of them.
from libc.stdint cimport uint64_t

from meshproxy._fast.balancer cimport PickRequest
from meshproxy._fast.cluster cimport Cluster
from meshproxy._fast.endpoint cimport Endpoint
from meshproxy._fast.http1 cimport (DEFAULT_HEAD_BYTES, RequestHead, ResponseHead, request_parse,
                                    response_parse)
from meshproxy._fast.route cimport Route
from meshproxy._fast.random cimport RandomState, random_seed
from meshproxy._fast.router cimport VirtualHost
from meshproxy._fast.reactor cimport monotonic_us
from meshproxy._fast.schedule cimport Schedule
from meshproxy._fast.scoreboard cimport Scoreboard
from meshproxy._fast.snapshot cimport Binding, Snapshot
from meshproxy._fast.types cimport METHOD_GET

# for the benchmarks, which import nothing else of ours
from meshproxy._fast.ketama import build_ring
from meshproxy._fast.maglev import build_table

cdef Scoreboard SCOREBOARD = Scoreboard(1)
cdef Binding BY_HOST = Binding()
cdef RequestHead request_head
cdef ResponseHead response_head


def make_cluster(data, int workers):
    """Return a Cluster from ClusterData, with a scoreboard of its own."""
    return Cluster(data, Scoreboard(workers), 1)


def make_snapshot(update):
    """Return a Snapshot from SnapshotData."""
    return Snapshot(SCOREBOARD).apply(update)


def parse_request(bytes head not None):
    """Return the bytes of the head, as request_parse does."""
    return request_parse(&request_head, head, len(head), DEFAULT_HEAD_BYTES)


def parse_response(bytes head not None):
    """Return the bytes of the head, as response_parse does."""
    return response_parse(&response_head, head, len(head), DEFAULT_HEAD_BYTES, METHOD_GET)


def pick(Cluster cluster not None, int count):
    """Pick `count` times, each with another hash; return the sum of the slots."""
    cdef RandomState random
    cdef PickRequest request
    cdef uint64_t total = 0
    cdef int i
    random_seed(&random, 1)
    request.random = &random
    request.has_hash = True
    request.hash = 0
    request.attempt = 0
    request.now_us = monotonic_us()
    for i in range(count):
        request.hash += <uint64_t>0x9e3779b97f4a7c15    # 2**64 / golden ratio: spreads over the ring
        total += cluster.pick(&request).slot
    return total


def load(Cluster cluster not None, int count, int active):
    """Give the first `count` endpoints `active` requests in flight each."""
    cdef Endpoint e
    for e in cluster.healthy[:count]:
        e.column.rq_active = active
    cluster.column.rq_active = count * active


def eject_and_settle(Cluster cluster not None):
    """Eject the next endpoint, for a moment, and take it in as the next pick would."""
    cdef uint64_t now = monotonic_us()
    cdef Endpoint e = cluster.healthy[now % <uint64_t>len(cluster.healthy)]
    e.state.ejected_until_us = now + 1000000
    cluster.settle(now)
    e.state.ejected_until_us = 0


def make_schedule(weights):
    """Return the period of a Schedule."""
    return Schedule(weights).period


def match(Snapshot snapshot not None, bytes head not None, int count):
    """Find virtual host and route of a head `count` times; return the name of the route."""
    cdef VirtualHost host
    cdef Route route = None
    cdef int i
    if request_parse(&request_head, head, len(head), DEFAULT_HEAD_BYTES) <= 0:
        raise ValueError("expected a whole request head")
    for i in range(count):
        host = snapshot.host_of(&request_head.view, BY_HOST)
        route = host.match(&request_head.view)
    return route.name
