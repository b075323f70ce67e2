# splice.pxd: pipes, and bytes moved through them
cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <fcntl.h>
    #include <unistd.h>
    """

cdef extern from "fcntl.h" nogil:
    ctypedef long loff_t
    ssize_t splice(int in_fd, loff_t* in_at, int out_fd, loff_t* out_at, size_t n, unsigned int flags)
    int fcntl(int fd, int command, ...)
    enum:
        SPLICE_F_MOVE
        SPLICE_F_NONBLOCK
        F_SETPIPE_SZ
        O_NONBLOCK
        O_CLOEXEC

cdef extern from "unistd.h" nogil:
    int pipe2(int* fds, int flags)
    ssize_t read(int fd, void* buf, size_t n)
