from libc.string cimport memset

cimport cython

from .clib.socket cimport *


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
        self.state = scoreboard.endpoint_state(self.slot)
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
