/* Python with the sanitizers and libFuzzer linked in: extension modules built for either find their symbols here.
 * So do they find this clock, which tests/fuzz/clock.py sets forward: no play waits for a timeout. */
#define _GNU_SOURCE
#include <Python.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

long long clock_ahead_ms;

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && clock == CLOCK_MONOTONIC) {
        now->tv_sec += clock_ahead_ms / 1000;
        now->tv_nsec += clock_ahead_ms % 1000 * 1000000;
        if (now->tv_nsec >= 1000000000) {
            now->tv_sec += 1;
            now->tv_nsec -= 1000000000;
        }
    }
    return result;
}

int main(int argc, char **argv) { return Py_BytesMain(argc, argv); }
