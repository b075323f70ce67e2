# priority.pxd: how traffic spreads over priorities by their health, to Envoy's percent (ISTIO 3.1). Pure.
cdef enum:
    OVERPROVISIONING = 140         # percent: a priority with 72 of 100 healthy still takes all traffic

cdef struct PriorityHealth:
    int total                      # endpoints that Envoy would know, unready ones too
    int healthy                    # of them: ready and not ejected
    int load                       # out: percent of traffic, all together 100
    bint is_panic                  # out: all its endpoints are picked from

# `panic_percent` 0 = never panic: then nothing healthy leaves 100 percent to the first priority, which has none.
cdef void spread_load(PriorityHealth* p, int n, int panic_percent) noexcept nogil
