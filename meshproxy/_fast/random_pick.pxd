# random_pick.pxd: any endpoint, weights ignored (Envoy RANDOM).
from .balancer cimport Balancer

cdef class RandomPick(Balancer):
    pass
