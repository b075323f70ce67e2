from .clib.socket cimport *


cdef void set_upstream_options(int fd, Cluster cluster) noexcept:
    cdef int one = 1
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))
    if cluster.keepalive_time_s == 0:
        return
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one))
    if cluster.keepalive_time_s > 0:
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &cluster.keepalive_time_s, sizeof(int))
    if cluster.keepalive_interval_s > 0:
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &cluster.keepalive_interval_s, sizeof(int))
    if cluster.keepalive_probes > 0:
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &cluster.keepalive_probes, sizeof(int))
