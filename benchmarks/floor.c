/* floor: a byte relay, the least work a proxy between two sockets can do.
 *
 * One thread, one edge-triggered epoll set, no parsing. Every accepted connection gets one upstream
 * connection of its own, the upstreams taken in turn, so a keep-alive request costs four system
 * calls: recv and send one way, recv and send back. What a proxy spends above this buys HTTP.
 *
 * usage: floor PORT UPSTREAM_PORT...      (all on 127.0.0.1)
 *
 * Invariants:
 *   (1) A socket enters the epoll set once, for IN, OUT and RDHUP, and leaves it by close().
 *   (2) side->pending_len > 0 means side->fd took no more bytes; until they are gone its peer is not
 *       read, so at most one SCRATCH_BYTES waits per direction and TCP tells the sender to stop.
 *   (3) A recv shorter than asked for has drained the socket (epoll(7)): whatever arrives later is a
 *       new edge, so no recv is spent on hearing EAGAIN.
 *   (4) A closed pair is freed after its batch of events: later events of the batch may name it.
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
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS_PER_BATCH = 256,
    MAX_UPSTREAMS = 64,
    SCRATCH_BYTES = 256 * 1024, /* body1m: 0.29 ms of CPU per MiB; 0.45 with 128 KiB, 0.48 with 64 */
};

struct pair;

struct side {
    int fd;
    bool saw_rdhup;      /* the end is in the receive queue, and no edge will follow it */
    bool saw_eof;        /* recv returned 0: nothing more will come from fd */
    struct side *peer;   /* the other side of the same pair */
    struct pair *pair;
    char *pending;       /* owned; bytes read from the peer that fd did not take yet */
    size_t pending_head;
    size_t pending_len;
};

struct pair {
    struct side downstream;
    struct side upstream;
    struct pair *next_dead;
    bool is_dead;
};

static char scratch[SCRATCH_BYTES];
static struct sockaddr_in upstreams[MAX_UPSTREAMS];
static int upstream_count;
static int epoll_fd;
static struct pair *graveyard;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void close_pair(struct pair *pair)
{
    if (pair->is_dead)
        return;
    pair->is_dead = true;
    close(pair->downstream.fd);
    close(pair->upstream.fd);
    pair->next_dead = graveyard;
    graveyard = pair;
}

static void bury_dead(void)
{
    while (graveyard) {
        struct pair *pair = graveyard;

        graveyard = pair->next_dead;
        free(pair->downstream.pending);
        free(pair->upstream.pending);
        free(pair);
    }
}

/* Takes a side that has got all its peer will ever send, and tells it so. */
static void pass_eof(struct side *side)
{
    if (side->saw_eof && side->peer->pending_len == 0)
        close_pair(side->pair);
    else
        shutdown(side->fd, SHUT_WR);
}

/* Returns bytes sent, 0 when the socket takes none now, -1 after closing the pair.
 * A socket still connecting answers EAGAIN too, so the pending buffer waits for both. */
static ssize_t send_some(struct side *side, const char *bytes, size_t len)
{
    ssize_t sent = send(side->fd, bytes, len, MSG_NOSIGNAL);

    if (sent >= 0)
        return sent;
    if (errno == EAGAIN)
        return 0;
    close_pair(side->pair);
    return -1;
}

static void keep_pending(struct side *side, const char *bytes, size_t len)
{
    side->pending = malloc(len);
    if (!side->pending)
        die("malloc");
    memcpy(side->pending, bytes, len);
    side->pending_head = 0;
    side->pending_len = len;
}

/* Moves what `from` has received until it is drained, at its end, or its peer takes no more. */
static void relay(struct side *from)
{
    struct side *to = from->peer;

    while (!from->pair->is_dead && !from->saw_eof && to->pending_len == 0) {
        ssize_t got = recv(from->fd, scratch, sizeof scratch, 0);
        ssize_t sent;

        if (got == 0) {
            from->saw_eof = true;
            pass_eof(to);
            return;
        }
        if (got < 0) {
            if (errno != EAGAIN)
                close_pair(from->pair);
            return;
        }
        sent = send_some(to, scratch, got);
        if (sent < 0)
            return;
        if (sent < got)
            keep_pending(to, scratch + sent, got - sent);
        else if ((size_t)got < sizeof scratch && !from->saw_rdhup)
            return; /* invariant 3 */
    }
}

/* Sends what waits for `to`; once nothing waits, its peer may be read again. */
static void flush(struct side *to)
{
    while (to->pending_len > 0) {
        ssize_t sent = send_some(to, to->pending + to->pending_head, to->pending_len);

        if (sent <= 0)
            return;
        to->pending_head += sent;
        to->pending_len -= sent;
    }
    free(to->pending);
    to->pending = NULL;
    if (to->peer->saw_eof)
        pass_eof(to);
    else
        relay(to->peer); /* its edge came while reading was stopped */
}

static void on_event(struct side *side, uint32_t events)
{
    if (side->pair->is_dead)
        return;
    if (events & EPOLLERR) {
        close_pair(side->pair);
        return;
    }
    if (events & EPOLLRDHUP)
        side->saw_rdhup = true;
    if ((events & EPOLLOUT) && side->pending_len > 0)
        flush(side);
    if (events & (EPOLLIN | EPOLLRDHUP))
        relay(side);
}

static void watch(struct side *side)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = side,
    };

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, side->fd, &event) < 0)
        die("epoll_ctl");
}

/* Returns a connected or connecting socket, or -1. */
static int connect_upstream(void)
{
    static int turn;
    struct sockaddr_in *address = &upstreams[turn++ % upstream_count];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(fd, (struct sockaddr *)address, sizeof *address) < 0 && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

static void accept_all(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        int upstream_fd;
        struct pair *pair;

        if (fd < 0)
            return;
        upstream_fd = connect_upstream();
        pair = calloc(1, sizeof *pair);
        if (upstream_fd < 0 || !pair) {
            if (upstream_fd >= 0)
                close(upstream_fd);
            free(pair);
            close(fd);
            continue;
        }
        pair->downstream = (struct side){.fd = fd, .peer = &pair->upstream, .pair = pair};
        pair->upstream = (struct side){.fd = upstream_fd, .peer = &pair->downstream, .pair = pair};
        watch(&pair->upstream);
        watch(&pair->downstream);
    }
}

/* Accepted sockets inherit TCP_NODELAY from the listener: no setsockopt per connection. */
static int listen_on(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("bind");
    if (listen(fd, SOMAXCONN) < 0)
        die("listen");
    return fd;
}

static void raise_fd_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    struct epoll_event batch[EVENTS_PER_BATCH];
    struct epoll_event accepting = {.events = EPOLLIN, .data.ptr = NULL};
    int listener;

    if (argc < 3 || argc > 2 + MAX_UPSTREAMS) {
        fprintf(stderr, "usage: floor PORT UPSTREAM_PORT...\n");
        return 2;
    }
    raise_fd_limit();
    for (; upstream_count < argc - 2; upstream_count++)
        upstreams[upstream_count] = (struct sockaddr_in){
            .sin_family = AF_INET,
            .sin_port = htons(atoi(argv[2 + upstream_count])),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
    listener = listen_on(atoi(argv[1]));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &accepting) < 0)
        die("epoll");

    for (;;) {
        int count = epoll_wait(epoll_fd, batch, EVENTS_PER_BATCH, -1);

        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (batch[i].data.ptr == NULL)
                accept_all(listener);
            else
                on_event(batch[i].data.ptr, batch[i].events);
        }
        bury_dead();
    }
}
