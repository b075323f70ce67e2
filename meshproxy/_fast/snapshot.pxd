# snapshot.pxd: one immutable generation: domains, virtual hosts, clusters, listener bindings.
# Invariant: nothing in a Snapshot changes after apply() returned it; a stream keeps the one it began with.
from .cluster cimport Cluster
from .forward cimport Origin
from .headers cimport RequestView
from .http1 cimport RequestHead
from .random cimport RandomState
from .route cimport Route
from .router cimport DomainTable, HostTable, VirtualHost
from .schedule cimport Schedule
from .scoreboard cimport Cursor, Scoreboard

cdef class Binding:
    cdef object id                 # the listener's; None = no listener
    cdef readonly bint is_tcp
    cdef readonly int virtual_host # -1 = by Host
    cdef readonly int cluster      # tcp only; -1 = refuse
    cdef list clusters             # tcp, weighted: cluster ids of the arms
    cdef Schedule split            # None with one cluster
    cdef Cursor* cursor            # borrowed from the scoreboard

    # Cluster id for the next connection, or -1. Advances the shared cursor.
    cdef int take_cluster(self) noexcept

cdef class Snapshot:
    cdef readonly long generation
    cdef Scoreboard scoreboard
    cdef int worker
    cdef list clusters             # by id; None = no such cluster
    cdef HostTable hosts
    cdef DomainTable domains
    cdef dict bindings             # listener id -> Binding
    cdef readonly list retired     # Endpoints of the previous snapshot that this one no longer names

    # -1: no virtual host (outcome no_route). A connection may outlive the virtual host that its listener was bound
    # to, which may come back by another id; ids are not given twice.
    cdef int host_id(self, const RequestView* v, Binding binding) except? -1
    cdef VirtualHost host_of(self, const RequestView* v, Binding binding)
    # None: unknown or removed cluster id (outcome no_cluster).
    cdef Cluster cluster_of(self, Route route, int arm)
    cdef Cluster cluster_at(self, int cluster_id)
    cdef bint answered(self, Route route, RequestHead* h, dict answer) except -1
    cdef int forward(self, Route route, Cluster cluster, RequestHead* h, Origin origin,
                     RandomState* random, dict answer) except -1
