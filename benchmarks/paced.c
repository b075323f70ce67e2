/* paced: GETs at a constant rate, whatever the answers do, and how long each took.
 *
 * Request k is due at start + k / rate and goes to the connection that has idled longest. When none
 * idles it waits, and its latency counts from when it was due: an answer that is late delays what
 * is behind it, as it does for real clients, instead of making the load stop asking (the error
 * that Gil Tene named coordinated omission). One thread, one request at a time on a connection.
 *
 * usage: paced PORT RATE SECONDS CONNECTIONS HOST       (on 127.0.0.1; prints one line of JSON)
 *
 * Invariants:
 *   (1) A connection is in the ring of idle ones, or has one request under way, or is closed.
 *   (2) Nothing is sent before it is due, and an answer's time is taken after it was read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_PER_BATCH = 64,
    MAX_CONNECTIONS = 4096,
    RESPONSE_BYTES = 16384,
    STEP_BITS = 7, /* 128 steps an octave: a latency is exact to 0.8 % */
    STEPS = (64 - STEP_BITS) << STEP_BITS,
};

static const int64_t SECOND_NS = 1000000000;
static const int64_t PATIENCE_NS = 2000000000; /* for answers, after the last request was due */

struct connection {
    int fd;
    int64_t due_ns;
    size_t have;
    char response[RESPONSE_BYTES + 1];
};

static struct connection connections[MAX_CONNECTIONS];
static struct connection *idle[MAX_CONNECTIONS]; /* a ring */
static int first_idle, idle_count, connection_count;
static uint64_t histogram[STEPS];
static uint64_t worst_ns;
static uint64_t sent, answered, bytes, status_errors, read_errors, write_errors;
static char request[512];
static size_t request_bytes;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* The step of a value: exact below 2 << STEP_BITS, then STEP_BITS bits below the highest. */
static size_t step_of(uint64_t value)
{
    int octave = 63 - __builtin_clzll(value | (1 << STEP_BITS)) - STEP_BITS;

    return ((size_t)octave << STEP_BITS) + (value >> octave);
}

static uint64_t highest_of(size_t step)
{
    size_t octave = step >> STEP_BITS ? (step >> STEP_BITS) - 1 : 0;

    return ((step - (octave << STEP_BITS) + 1) << octave) - 1;
}

static double percentile_ms(double share)
{
    uint64_t wanted = share * answered + 0.5, seen = 0;

    for (size_t step = 0; step < STEPS; step++) {
        seen += histogram[step];
        if (seen >= wanted && seen > 0)
            return (highest_of(step) < worst_ns ? highest_of(step) : worst_ns) / 1e6;
    }
    return 0;
}

static void rest(struct connection *connection)
{
    idle[(first_idle + idle_count++) % MAX_CONNECTIONS] = connection;
}

/* Returns the bytes of a whole response, 0 when more must come, -1 when it is not one of ours. */
static long whole(const struct connection *connection)
{
    const char *end = strstr(connection->response, "\r\n\r\n"), *length;

    if (!end)
        return connection->have < RESPONSE_BYTES ? 0 : -1;
    length = strcasestr(connection->response, "\r\ncontent-length:");
    if (!length || length > end)
        return -1;
    long total = end + 4 - connection->response + atol(length + strlen("\r\ncontent-length:"));
    if (total > RESPONSE_BYTES)
        return -1;
    return (size_t)total <= connection->have ? total : 0;
}

static void take(struct connection *connection)
{
    ssize_t got = recv(connection->fd, connection->response + connection->have,
                       RESPONSE_BYTES - connection->have, 0);
    long total;
    uint64_t took_ns;

    if (got > 0)
        connection->have += got;
    connection->response[connection->have] = '\0';
    total = got > 0 ? whole(connection) : -1;
    if (total == 0)
        return;
    if (total < 0) {
        read_errors++;
        close(connection->fd);
        return;
    }
    took_ns = now_ns() - connection->due_ns;
    histogram[step_of(took_ns)]++;
    if (took_ns > worst_ns)
        worst_ns = took_ns;
    status_errors += strncmp(connection->response, "HTTP/1.1 200", 12) != 0;
    answered++;
    bytes += total;
    connection->have = 0;
    rest(connection);
}

static void ask(int64_t due_ns)
{
    struct connection *connection = idle[first_idle];

    first_idle = (first_idle + 1) % MAX_CONNECTIONS;
    idle_count--;
    connection->due_ns = due_ns;
    sent++;
    if (send(connection->fd, request, request_bytes, MSG_NOSIGNAL) != (ssize_t)request_bytes) {
        write_errors++;
        close(connection->fd);
    }
}

static void open_all(int port, int epoll_fd)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    for (int i = 0; i < connection_count; i++) {
        struct connection *connection = &connections[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

        connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) < 0)
            die("connect");
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0)
            die("epoll_ctl");
        rest(connection);
    }
}

int main(int argc, char **argv)
{
    struct epoll_event batch[EVENTS_PER_BATCH];
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int64_t start_ns, last_ns, now;
    uint64_t total;
    double rate;

    connection_count = argc == 6 ? atoi(argv[4]) : 0;
    rate = argc == 6 ? atof(argv[2]) : 0;
    if (connection_count < 1 || connection_count > MAX_CONNECTIONS || rate <= 0) {
        fprintf(stderr, "usage: paced PORT RATE SECONDS CONNECTIONS HOST\n");
        return 2;
    }
    request_bytes = snprintf(request, sizeof request,
                             "GET / HTTP/1.1\r\nHost: %.200s\r\n\r\n", argv[5]);
    total = rate * atof(argv[3]);
    open_all(atoi(argv[1]), epoll_fd);
    prctl(PR_SET_TIMERSLACK, 1); /* 50 us otherwise, more than the gap between two requests */

    start_ns = now_ns();
    last_ns = start_ns + total * (SECOND_NS / rate);
    for (;;) {
        struct timespec wait;
        int64_t due_ns = start_ns + sent * (SECOND_NS / rate);
        int count;

        now = now_ns();
        while (sent < total && idle_count > 0 && due_ns <= now) {
            ask(due_ns);
            due_ns = start_ns + sent * (SECOND_NS / rate);
        }
        if (answered + read_errors + write_errors >= total || now > last_ns + PATIENCE_NS)
            break;
        if (read_errors + write_errors >= (uint64_t)connection_count)
            break;
        if (sent == total || idle_count == 0)
            due_ns = last_ns + PATIENCE_NS + 1;
        due_ns = due_ns > now ? due_ns - now : 0;
        wait = (struct timespec){.tv_sec = due_ns / SECOND_NS, .tv_nsec = due_ns % SECOND_NS};
        count = epoll_pwait2(epoll_fd, batch, EVENTS_PER_BATCH, &wait, NULL);
        if (count < 0 && errno != EINTR)
            die("epoll_pwait2");
        for (int i = 0; i < count; i++)
            take(batch[i].data.ptr);
    }
    printf("{\"requests\": %lu, \"bytes\": %lu, \"seconds\": %.6f, \"p50_ms\": %.4f, "
           "\"p90_ms\": %.4f, \"p99_ms\": %.4f, \"p999_ms\": %.4f, \"max_ms\": %.4f, "
           "\"errors\": {\"read\": %lu, \"write\": %lu, \"status\": %lu, \"unanswered\": %lu}}\n",
           answered, bytes, (now - start_ns) / 1e9, percentile_ms(0.5), percentile_ms(0.9),
           percentile_ms(0.99), percentile_ms(0.999), worst_ns / 1e6, read_errors, write_errors,
           status_errors, total - answered - read_errors - write_errors);
    return 0;
}
