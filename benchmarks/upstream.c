/* upstream: a small, fast HTTP/1.1 server for a proxy under test to stand in front of.
 *
 * One thread, one edge-triggered epoll set, any number of ports. Responses are built once; a request
 * costs one recv and one send. Keep-alive, pipelining, Content-Length uploads on any path.
 *
 * usage: upstream COUNT                   (COUNT free ports of 127.0.0.1; prints them on one line)
 *
 *   /, /api/...  128 bytes        /64k, /1m  as named        anything else  404
 *   /stats   JSON: connections that carried a counted request, and counted requests, per port;
 *            requests for /stats count for nothing
 *
 * Invariant: while a response is unsent no further request is read, so `out` never queues.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS_PER_BATCH = 256,
    HEAD_BYTES = 8192,
    MAX_PORTS = 64,
    STATS_BYTES = 256 + MAX_PORTS * 80,
};

struct response {
    const char *path;
    size_t body_bytes;
    char *wire[2]; /* [1] says Connection: close */
    size_t wire_bytes[2];
};

struct port {
    int fd;
    int number;
    uint64_t connections;
    uint64_t requests;
};

struct connection {
    int fd;
    struct port *port;
    bool is_counted;    /* carried a request that counts */
    bool is_closing;    /* close once the response is out */
    const char *out;    /* response bytes not sent yet; borrowed */
    size_t out_bytes;
    uint64_t body_left; /* upload bytes still to come */
    const struct response *after_body;
    size_t have;        /* bytes in head */
    char head[HEAD_BYTES];
};

static struct response responses[] = {
    {.path = "/", .body_bytes = 128},
    {.path = "/64k", .body_bytes = 64 * 1024},
    {.path = "/1m", .body_bytes = 1024 * 1024},
};
static struct response not_found = {.path = NULL, .body_bytes = 10};
static struct response stats = {.path = "/stats"};
static struct port ports[MAX_PORTS];
static int port_count;
static int epoll_fd;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* The Date is constant: a proxy passes it on, and nobody here reads it. */
static void build_response(struct response *response, const char *status)
{
    for (int closing = 0; closing < 2; closing++) {
        char head[512];
        int head_bytes = snprintf(head, sizeof head,
                                  "HTTP/1.1 %s\r\n"
                                  "Server: upstream\r\n"
                                  "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                                  "Content-Type: text/plain\r\n"
                                  "Content-Length: %zu\r\n"
                                  "%s\r\n",
                                  status, response->body_bytes,
                                  closing ? "Connection: close\r\n" : "");
        char *wire = malloc(head_bytes + response->body_bytes);

        if (!wire)
            die("malloc");
        memcpy(wire, head, head_bytes);
        memset(wire + head_bytes, 'x', response->body_bytes);
        response->wire[closing] = wire;
        response->wire_bytes[closing] = head_bytes + response->body_bytes;
    }
}

/* Rebuilt for every question: only the harness asks, and never during a run. */
static void build_stats(void)
{
    static char wire[STATS_BYTES + 256];
    char body[STATS_BYTES];
    int bytes = snprintf(body, sizeof body, "[");

    for (int i = 0; i < port_count; i++)
        bytes += snprintf(body + bytes, sizeof body - bytes,
                          "%s{\"port\": %d, \"connections\": %lu, \"requests\": %lu}",
                          i ? ", " : "", ports[i].number, (unsigned long)ports[i].connections,
                          (unsigned long)ports[i].requests);
    bytes += snprintf(body + bytes, sizeof body - bytes, "]");
    stats.wire_bytes[0] = stats.wire_bytes[1] =
        snprintf(wire, sizeof wire,
                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                 "Connection: close\r\nContent-Length: %d\r\n\r\n%s",
                 bytes, body);
    stats.wire[0] = stats.wire[1] = wire;
}

static void close_connection(struct connection *connection)
{
    close(connection->fd);
    free(connection);
}

/* Returns the value of a header, NULL if absent. The head is NUL-terminated at its blank line. */
static const char *find_header(const char *head, const char *name)
{
    size_t name_bytes = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, name_bytes) == 0 && line[name_bytes] == ':') {
            line += name_bytes + 1;
            return line + strspn(line, " \t");
        }
    }
    return NULL;
}

static const struct response *find_response(const char *head)
{
    const char *path = strchr(head, ' ');
    size_t path_bytes;

    if (!path)
        return &not_found;
    path++;
    path_bytes = strcspn(path, " ?");
    for (size_t i = 0; i < sizeof responses / sizeof *responses; i++)
        if (strlen(responses[i].path) == path_bytes &&
            memcmp(responses[i].path, path, path_bytes) == 0)
            return &responses[i];
    if (path_bytes >= 5 && memcmp(path, "/api/", 5) == 0)
        return &responses[0];
    if (path_bytes == strlen(stats.path) && memcmp(path, stats.path, path_bytes) == 0)
        return &stats;
    return &not_found;
}

static void answer(struct connection *connection, const struct response *response)
{
    connection->out = response->wire[connection->is_closing];
    connection->out_bytes = response->wire_bytes[connection->is_closing];
}

/* Takes the bytes in head; returns true when they held a whole head, which is then consumed. */
static bool take_head(struct connection *connection)
{
    char *end = memmem(connection->head, connection->have, "\r\n\r\n", 4);
    const struct response *response;
    const char *value;
    size_t head_bytes;

    if (!end)
        return false;
    head_bytes = end + 4 - connection->head;
    *end = '\0';
    response = find_response(connection->head);
    value = find_header(connection->head, "connection");
    connection->is_closing = response == &stats || (value && strncasecmp(value, "close", 5) == 0);
    if (response == &stats) {
        build_stats();
    } else {
        connection->port->requests++;
        connection->port->connections += !connection->is_counted;
        connection->is_counted = true;
    }
    value = find_header(connection->head, "content-length");
    connection->body_left = value ? strtoull(value, NULL, 10) : 0;
    connection->have -= head_bytes;
    memmove(connection->head, connection->head + head_bytes, connection->have);
    if (connection->body_left > 0)
        connection->after_body = response;
    else
        answer(connection, response);
    return true;
}

/* Counts upload bytes that came along with the head. */
static void take_body(struct connection *connection, size_t bytes)
{
    connection->body_left -= bytes;
    if (connection->body_left == 0) {
        answer(connection, connection->after_body);
        connection->after_body = NULL;
    }
}

/* Returns 1 to go on, 0 to wait for the socket, -1 when the connection is over.
 * A recv that did not fill its room has drained the socket (epoll(7)): no further one is due. */
static int receive(struct connection *connection, bool *may_read)
{
    size_t room = HEAD_BYTES - connection->have;
    ssize_t got;

    if (connection->body_left > 0) {
        room = connection->body_left;
        /* MSG_TRUNC drops stream bytes in the kernel (tcp(7)): an upload costs no copy here. */
        got = recv(connection->fd, NULL, room, MSG_TRUNC);
        if (got > 0)
            take_body(connection, got);
    } else {
        got = recv(connection->fd, connection->head + connection->have, room, 0);
        if (got > 0)
            connection->have += got;
    }
    *may_read = got > 0 && (size_t)got == room;
    if (got > 0)
        return 1;
    return got < 0 && errno == EAGAIN ? 0 : -1;
}

static int send_out(struct connection *connection)
{
    ssize_t sent = send(connection->fd, connection->out, connection->out_bytes, MSG_NOSIGNAL);

    if (sent < 0)
        return errno == EAGAIN ? 0 : -1;
    connection->out += sent;
    connection->out_bytes -= sent;
    return 1;
}

/* One step of the connection; same returns as receive(). */
static int step(struct connection *connection, bool *may_read)
{
    int result;

    if (connection->out_bytes > 0) {
        result = send_out(connection);
        return result == 1 && connection->out_bytes == 0 && connection->is_closing ? -1 : result;
    }
    if (connection->body_left > 0 && connection->have > 0) {
        size_t bytes = connection->have;

        if (bytes > connection->body_left)
            bytes = connection->body_left;
        connection->have -= bytes;
        memmove(connection->head, connection->head + bytes, connection->have);
        take_body(connection, bytes);
        return 1;
    }
    if (connection->have > 0 && take_head(connection))
        return 1;
    if (connection->have == HEAD_BYTES)
        return -1;
    if (!*may_read)
        return 0;
    return receive(connection, may_read);
}

static void on_event(struct connection *connection, uint32_t events)
{
    bool may_read = true;
    int result;

    do
        result = step(connection, &may_read);
    while (result == 1);
    if (result < 0 || (events & (EPOLLHUP | EPOLLERR)) ||
        ((events & EPOLLRDHUP) && connection->out_bytes == 0))
        close_connection(connection);
}

static void accept_all(struct port *port)
{
    for (;;) {
        int fd = accept4(port->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
        struct connection *connection;

        if (fd < 0)
            return;
        connection = malloc(sizeof *connection);
        if (!connection)
            die("malloc");
        /* The head is left out: untouched pages cost no memory. */
        memset(connection, 0, offsetof(struct connection, head));
        connection->fd = fd;
        connection->port = port;
        event.data.ptr = connection;
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
            die("epoll_ctl");
    }
}

/* Accepted sockets inherit TCP_NODELAY from the listener. */
static void open_port(struct port *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t address_bytes = sizeof address;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = port};

    port->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (port->fd < 0)
        die("socket");
    setsockopt(port->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (bind(port->fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("bind");
    if (listen(port->fd, SOMAXCONN) < 0)
        die("listen");
    if (getsockname(port->fd, (struct sockaddr *)&address, &address_bytes) < 0)
        die("getsockname");
    port->number = ntohs(address.sin_port);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, port->fd, &event) < 0)
        die("epoll_ctl");
}

static void raise_fd_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool is_port(const void *pointer)
{
    return (const struct port *)pointer >= ports && (const struct port *)pointer < ports + MAX_PORTS;
}

int main(int argc, char **argv)
{
    struct epoll_event batch[EVENTS_PER_BATCH];

    port_count = argc == 2 ? atoi(argv[1]) : 0;
    if (port_count < 1 || port_count > MAX_PORTS) {
        fprintf(stderr, "usage: upstream COUNT (1 to %d)\n", MAX_PORTS);
        return 2;
    }
    raise_fd_limit();
    for (size_t i = 0; i < sizeof responses / sizeof *responses; i++)
        build_response(&responses[i], "200 OK");
    build_response(&not_found, "404 Not Found");
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    for (int i = 0; i < port_count; i++) {
        open_port(&ports[i]);
        printf("%d%c", ports[i].number, i + 1 < port_count ? ' ' : '\n');
    }
    fflush(stdout);

    for (;;) {
        int count = epoll_wait(epoll_fd, batch, EVENTS_PER_BATCH, -1);

        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (is_port(batch[i].data.ptr))
                accept_all(batch[i].data.ptr);
            else
                on_event(batch[i].data.ptr, batch[i].events);
        }
    }
}
