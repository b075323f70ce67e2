# address.pxd: a socket address as text.
from .clib.socket cimport sockaddr_in6

cdef enum:
    ADDRESS_ROOM = 56              # "[", 45 characters of IPv6, "]:65535"

# Writes the IP alone, without brackets; returns the length, 0 for another family.
cdef size_t put_ip(char* out, const sockaddr_in6* address) noexcept
# Writes "10.0.0.1:80" or "[::1]:80"; returns the length, 0 for another family.
cdef size_t put_address(char* out, const sockaddr_in6* address) noexcept
