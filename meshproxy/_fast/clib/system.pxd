# system.pxd: clocks, shared memory, atomics and byte search
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "time.h" nogil:
    ctypedef long time_t
    struct timespec:
        time_t tv_sec
        long tv_nsec
    struct tm:
        int tm_sec
        int tm_min
        int tm_hour
        int tm_mday
        int tm_mon
        int tm_year
        int tm_wday
    int clock_gettime(int clock, timespec* ts)
    tm* gmtime_r(const time_t* when, tm* out)
    enum:
        CLOCK_MONOTONIC
        CLOCK_REALTIME

cdef extern from "stdlib.h" nogil:
    void* aligned_alloc(size_t alignment, size_t size)

cdef extern from "sys/mman.h" nogil:
    void* mmap(void* addr, size_t length, int prot, int flags, int fd, long offset)
    int munmap(void* addr, size_t length)
    void* MAP_FAILED
    enum:
        PROT_READ
        PROT_WRITE
        MAP_SHARED

cdef extern from * nogil:
    """
    #include <stdlib.h>
    #ifdef __GLIBC__
    #include <malloc.h>
    #define mp_heap_trim() malloc_trim(0)
    #else
    #define mp_heap_trim() 0   /* musl gives free pages back by itself */
    #endif
    """
    int heap_trim "mp_heap_trim" ()

cdef extern from "unistd.h" nogil:
    long sysconf(int name)
    enum:
        _SC_PAGESIZE

cdef extern from "string.h" nogil:
    void* memchr(const void* s, int c, size_t n)
    int memcmp(const void* a, const void* b, size_t n)
    void* memmem(const void* s, size_t n, const void* needle, size_t m)

cdef extern from * nogil:
    uint64_t atomic_add "__sync_fetch_and_add" (uint64_t* target, uint64_t value)
    # What comes behind it is not read before it, on processors that reorder loads too; on x86 a plain load.
    uint64_t atomic_load "__atomic_load_n" (const uint64_t* source, int order)
    enum:
        ACQUIRE "__ATOMIC_ACQUIRE"
    bint likely "__builtin_expect" (bint condition, bint expected)

cdef extern from "sys/ioctl.h" nogil:
    int ioctl(int fd, unsigned long request, ...)

cdef extern from "linux/sockios.h" nogil:
    enum:
        SIOCOUTQ
