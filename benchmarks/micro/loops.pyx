# loops: Python's way into the compiled decisions, for timing only. Heads are parsed once per call, as the
# peers parse them; picks and matches run in a C loop, since a call from Python costs more than one of them.
from libc.stdint cimport uint64_t

from meshproxy._fast.balancer cimport PickRequest
from meshproxy._fast.cluster cimport Cluster
from meshproxy._fast.http1 cimport (DEFAULT_HEAD_BYTES, RequestHead, ResponseHead, request_parse,
                                    response_parse)
from meshproxy._fast.matcher cimport Route
from meshproxy._fast.random cimport RandomState, random_seed
from meshproxy._fast.router cimport VirtualHost
from meshproxy._fast.scoreboard cimport Scoreboard
from meshproxy._fast.snapshot cimport Binding, Snapshot
from meshproxy._fast.types cimport METHOD_GET

from meshproxy._fast.ketama import build_ring  # for the benchmarks, which import nothing else of ours

cdef Scoreboard SCOREBOARD = Scoreboard(1)    # clusters borrow its columns, so it must outlive them
cdef Binding BY_HOST = Binding()
cdef RequestHead request_head
cdef ResponseHead response_head


def make_cluster(data):
    """Return a Cluster from ClusterData."""
    return Cluster(data, SCOREBOARD, 1)


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
    """Pick `count` times, each with another hash; return the sum of the indices."""
    cdef RandomState random
    cdef PickRequest request
    cdef uint64_t total = 0
    cdef int i
    random_seed(&random, 1)
    request.random = &random
    request.has_hash = True
    request.hash = 0
    request.attempt = 0
    for i in range(count):
        request.hash += <uint64_t>0x9e3779b97f4a7c15    # 2**64 / golden ratio: spreads over the ring
        total += cluster.balancer.pick(&request)
    return total


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
