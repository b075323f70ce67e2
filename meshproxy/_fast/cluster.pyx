import sys

from libc.stdlib cimport calloc, free
from libc.string cimport memset

cimport cython

from .clib.socket cimport *
from .ketama cimport RingHash
from .least_request cimport LeastRequest
from .random_pick cimport RandomPick
from .round_robin cimport RoundRobin


@cython.final
cdef class Endpoint:
    def __cinit__(self, data, Scoreboard scoreboard, int worker):
        cdef bytes literal = data["address"].encode()
        cdef sockaddr_in* v4 = <sockaddr_in*>&self.address
        memset(&self.address, 0, sizeof(self.address))
        self.slot = data["slot"]
        self.name = data["name"]
        self.is_retired = False
        self.pool = None
        self.column = scoreboard.endpoint_column(worker, self.slot)
        if inet_pton(AF_INET, literal, &v4.sin_addr) == 1:
            self.family = AF_INET
            v4.sin_family = AF_INET
            v4.sin_port = htons(data["port"])
            self.address_len = sizeof(sockaddr_in)
            self.text = f"{data['address']}:{data['port']}"
        elif inet_pton(AF_INET6, literal, &self.address.sin6_addr) == 1:
            self.family = AF_INET6
            self.address.sin6_family = AF_INET6
            self.address.sin6_port = htons(data["port"])
            self.address_len = sizeof(sockaddr_in6)
            self.text = f"[{data['address']}]:{data['port']}"
        else:
            raise ValueError(f"endpoint address: expected an IP literal, got {data['address']!r}")
        self.log_text = self.text.encode()


@cython.final
cdef class Cluster:
    """Built from ClusterData; takes over the Endpoints of `previous`, the same cluster's last version."""

    def __cinit__(self, data, Scoreboard scoreboard, int worker, Cluster previous=None):
        cdef Endpoint e
        cdef int i
        self.candidates.weights = NULL
        self.candidates.columns = NULL
        self.id = data["id"]
        self.name = sys.intern(data["name"])
        self.log_name = self.name.encode()
        self.policy = data["lb"]["policy"]
        self.is_tcp = data["protocol"] == "tcp"
        self.connect_timeout_us = <uint64_t>data["connect_timeout_ms"] * 1000
        self.idle_timeout_us = <uint64_t>data["idle_timeout_ms"] * 1000
        self.scoreboard = scoreboard
        self.column = scoreboard.cluster_column(worker, self.id)
        self.endpoints = {}
        self.healthy = []
        weights = []
        owner_of = {}
        for index, item in enumerate(data["endpoints"]):
            key = (item["address"], item["port"])
            e = previous.endpoints.get(key) if previous is not None else None
            if e is None or e.slot != item["slot"]:
                e = Endpoint(item, scoreboard, worker)
            self.endpoints[key] = e
            if item["healthy"]:
                owner_of[index] = len(weights)
                self.healthy.append(e)
                weights.append(item["weight"])
        self.fill_candidates(weights, scoreboard)
        self.balancer = self.make_balancer(data["lb"], weights, owner_of)
        if self.balancer is not None:
            self.balancer.set = &self.candidates

    cdef int fill_candidates(self, list weights, Scoreboard scoreboard) except -1:
        cdef int i, n = len(weights)
        self.candidates.count = n
        self.candidates.workers = scoreboard.workers
        self.candidates.stride = scoreboard.column_stride()
        self.candidates.cursor = scoreboard.cluster_cursor(self.id)
        self.candidates.weights = <uint32_t*>calloc(n + 1, sizeof(uint32_t))
        self.candidates.columns = <EndpointColumn**>calloc(n + 1, sizeof(void*))
        if self.candidates.weights == NULL or self.candidates.columns == NULL:
            raise MemoryError()
        for i in range(n):
            self.candidates.weights[i] = weights[i]
            self.candidates.columns[i] = scoreboard.endpoint_column(
                1, (<Endpoint>self.healthy[i]).slot)
        return 0

    cdef Balancer make_balancer(self, lb, list weights, dict owner_of):
        import array

        if not weights:
            return None
        if lb["policy"] == "ROUND_ROBIN":
            return RoundRobin(weights)
        if lb["policy"] == "RANDOM":
            return RandomPick()
        if lb["policy"] == "RING_HASH":
            owners = array.array("I", lb["ring_endpoints"])
            compact = array.array("I", [owner_of[i] for i in owners])
            return RingHash(lb["ring_hashes"], compact.tobytes(), len(weights))
        return LeastRequest()

    def __dealloc__(self):
        free(self.candidates.weights)
        free(self.candidates.columns)

    cdef Endpoint pick(self, PickRequest* request):
        if self.balancer is None:
            return None
        return <Endpoint>self.healthy[self.balancer.pick(request)]
