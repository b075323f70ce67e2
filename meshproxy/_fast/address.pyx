from libc.string cimport strlen

from .clib.socket cimport AF_INET, AF_INET6, inet_ntop, ntohs, sockaddr_in
from .scan cimport scan_put_decimal


cdef size_t put_ip(char* out, const sockaddr_in6* address) noexcept:
    cdef const sockaddr_in* v4 = <const sockaddr_in*>address
    if address.sin6_family == AF_INET:
        inet_ntop(AF_INET, &v4.sin_addr, out, 46)
    elif address.sin6_family == AF_INET6:
        inet_ntop(AF_INET6, &address.sin6_addr, out, 46)
    else:
        return 0
    return strlen(out)


cdef size_t put_address(char* out, const sockaddr_in6* address) noexcept:
    cdef bint has_brackets = address.sin6_family == AF_INET6
    cdef size_t n = put_ip(out + has_brackets, address)
    if n == 0:
        return 0
    n += has_brackets
    if has_brackets:
        out[0] = c'['
        out[n] = c']'
        n += 1
    out[n] = c':'
    return n + 1 + scan_put_decimal(out + n + 1, ntohs(address.sin6_port))
