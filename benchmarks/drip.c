/* drip: many clients that never finish what they began, for next to no CPU of their own.
 *
 * Every connection sends the beginning of a request and then, once per interval, a little more: a
 * header line (`headers`), or some bytes of a body that was announced long (`body`). Turn j is due
 * at start + j * interval / COUNT and belongs to connection j % COUNT, so that what the proxy gets
 * is even over time. A connection that the proxy ended is opened anew. One thread, until SIGTERM.
 *
 * usage: drip PORT COUNT OPEN_PER_SECOND INTERVAL_SECONDS headers|body HOST      (on 127.0.0.1)
 *        prints "open" when all have been opened, and one line of JSON at the end
 *
 * Invariants:
 *   (1) A connection is in the ring of closed ones with fd -1, or in the epoll set.
 *   (2) Its head goes first, when the socket is connected; its turns before that are passed over.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_PER_BATCH = 64,
    MAX_CONNECTIONS = 65536,
};

static const int64_t SECOND_NS = 1000000000;

struct connection {
    int fd;
    bool has_head;
};

static struct connection connections[MAX_CONNECTIONS];
static struct connection *closed[MAX_CONNECTIONS]; /* a ring */
static int first_closed, closed_count, connection_count;
static uint64_t opened, failed, ended, drops;
static char head[512];
static size_t head_bytes;
static const char *drop;
static struct sockaddr_in address;
static int epoll_fd;
static volatile sig_atomic_t is_over;

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

static void on_signal(int number)
{
    (void)number;
    is_over = 1;
}

static void put_back(struct connection *connection)
{
    connection->fd = -1;
    closed[(first_closed + closed_count++) % connection_count] = connection;
}

static void open_one(void)
{
    struct connection *connection = closed[first_closed];
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};

    first_closed = (first_closed + 1) % connection_count;
    closed_count--;
    connection->has_head = false;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        die("socket");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) < 0
        && errno != EINPROGRESS)
        die("connect");
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0)
        die("epoll_ctl");
}

static void on_event(struct connection *connection, uint32_t events)
{
    char answer[4096];
    ssize_t got = -1;

    if (!(events & (EPOLLERR | EPOLLHUP)) && (events & EPOLLOUT) && !connection->has_head) {
        connection->has_head = true;
        opened++;
        send(connection->fd, head, head_bytes, MSG_NOSIGNAL);
    }
    do
        got = recv(connection->fd, answer, sizeof answer, 0);
    while (got > 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (connection->has_head)
        ended++;
    else
        failed++;
    close(connection->fd);
    put_back(connection);
}

static void take_turn(struct connection *connection)
{
    size_t len = strlen(drop);

    if (connection->fd >= 0 && connection->has_head)
        drops += send(connection->fd, drop, len, MSG_NOSIGNAL) == (ssize_t)len;
}

int main(int argc, char **argv)
{
    struct epoll_event batch[EVENTS_PER_BATCH];
    int64_t open_every_ns, turn_every_ns, open_due_ns, turn_due_ns;
    bool has_told = false, is_body = argc == 7 && strcmp(argv[5], "body") == 0;
    uint64_t turns = 0;

    connection_count = argc == 7 ? atoi(argv[2]) : 0;
    if (connection_count < 1 || connection_count > MAX_CONNECTIONS || atof(argv[3]) <= 0
        || atof(argv[4]) <= 0 || (!is_body && strcmp(argv[5], "headers") != 0)) {
        fputs("usage: drip PORT COUNT OPEN_PER_SECOND INTERVAL_SECONDS headers|body HOST\n",
              stderr);
        return 2;
    }
    address = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(atoi(argv[1])),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    head_bytes = snprintf(head, sizeof head, "%s / HTTP/1.1\r\nHost: %.200s\r\n%s",
                          is_body ? "POST" : "GET", argv[6],
                          is_body ? "Content-Length: 100000\r\n\r\n" : "");
    drop = is_body ? "slow and " : "X-Slow: and slower\r\n";
    open_every_ns = SECOND_NS / atof(argv[3]);
    turn_every_ns = SECOND_NS * atof(argv[4]) / connection_count;
    signal(SIGTERM, on_signal);
    prctl(PR_SET_TIMERSLACK, 1); /* 50 us otherwise */
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    for (int i = 0; i < connection_count; i++)
        put_back(&connections[i]);

    open_due_ns = turn_due_ns = now_ns();
    while (!is_over) {
        struct timespec wait;
        int64_t now = now_ns(), due_ns;
        int count;

        while (turn_due_ns <= now) {
            take_turn(&connections[turns++ % connection_count]);
            turn_due_ns += turn_every_ns;
        }
        while (closed_count > 0 && open_due_ns <= now) {
            open_one();
            open_due_ns += open_every_ns;
        }
        if (closed_count == 0 && open_due_ns < now)
            open_due_ns = now; /* nothing was to be opened: no burst when something is */
        due_ns = closed_count > 0 && open_due_ns < turn_due_ns ? open_due_ns : turn_due_ns;
        due_ns = due_ns > now ? due_ns - now : 0;
        wait = (struct timespec){.tv_sec = due_ns / SECOND_NS, .tv_nsec = due_ns % SECOND_NS};
        count = epoll_pwait2(epoll_fd, batch, EVENTS_PER_BATCH, &wait, NULL);
        if (count < 0 && errno != EINTR)
            die("epoll_pwait2");
        for (int i = 0; i < count; i++)
            on_event(batch[i].data.ptr, batch[i].events);
        if (!has_told && opened - ended >= (uint64_t)connection_count) {
            has_told = true;
            puts("open");
            fflush(stdout);
        }
    }
    printf("{\"opened\": %lu, \"failed\": %lu, \"ended_by_proxy\": %lu, \"drops\": %lu}\n", opened,
           failed, ended, drops);
    return 0;
}
