# options.pxd: socket options of an upstream connection.
from .cluster cimport Cluster

cdef void set_upstream_options(int fd, Cluster cluster) noexcept
