/* The floor: what copying alone costs. A proxy on epoll (level-triggered) that accepts, connects to one of
 * the backends in turn and copies both ways; it parses nothing and has no time-outs. usage: bench_floor PORT
 * BACKEND_PORT..., all on 127.0.0.1 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES 65536
#define EVENTS     256

struct side {
    struct side *peer;
    uint8_t *pending; /* what this side's socket hasn't taken; the peer isn't read meanwhile */
    uint32_t at, end;
    int fd;
    uint8_t armed;
    bool ended; /* its FIN has come */
};

struct pair {
    struct side sides[2]; /* client, backend */
    struct pair *dead;    /* next that is freed at the end of the turn */
};

static int epoll_fd;
static struct pair *dead;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in loopback(const char *port)
{
    char *end;
    unsigned long n = strtoul(port, &end, 10);

    if (*end || n == 0 || n > 65535) {
        fprintf(stderr, "bench_floor: '%s' is no port\n", port);
        exit(2);
    }
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)n), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static struct pair *pair_of(struct side *s)
{
    return (struct pair *)(void *)(s < s->peer ? s : s->peer);
}

static void drop(struct pair *p)
{
    if (p->sides[0].fd < 0)
        return;
    for (unsigned i = 0; i < 2; i++) {
        close(p->sides[i].fd);
        free(p->sides[i].pending);
        p->sides[i].fd = -1;
    }
    p->dead = dead;
    dead = p;
}

static void arm(struct side *s)
{
    uint32_t want =
        (s->peer->pending || s->ended ? 0u : (uint32_t)EPOLLIN) | (s->pending ? (uint32_t)EPOLLOUT : 0u);
    struct epoll_event ev = {.events = want, .data.ptr = s};

    if (want == s->armed)
        return;
    s->armed = (uint8_t)want;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s->fd, &ev) < 0)
        die("epoll_ctl");
}

/* false: the pair is gone. */
static bool give(struct side *to, const uint8_t *bytes, size_t n)
{
    ssize_t w = send(to->fd, bytes, n, MSG_NOSIGNAL);

    if (w < 0 && errno != EAGAIN) {
        drop(pair_of(to));
        return false;
    }
    w = w < 0 ? 0 : w;
    if ((size_t)w == n)
        return true;
    to->end = (uint32_t)(n - (size_t)w);
    to->at = 0;
    to->pending = malloc(to->end);
    if (!to->pending)
        die("malloc");
    memcpy(to->pending, bytes + w, to->end);
    return true;
}

static void copy_from(struct side *s)
{
    static uint8_t bytes[READ_BYTES];
    ssize_t n = recv(s->fd, bytes, sizeof bytes, 0);

    if (n > 0) {
        if (!give(s->peer, bytes, (size_t)n))
            return;
    } else if (n == 0) {
        s->ended = true;
        shutdown(s->peer->fd, SHUT_WR);
    } else if (errno == EAGAIN) {
        return;
    }
    if (n < 0 || (s->ended && s->peer->ended)) {
        drop(pair_of(s));
        return;
    }
    arm(s);
    arm(s->peer);
}

static void flush(struct side *s)
{
    ssize_t w = send(s->fd, s->pending + s->at, s->end - s->at, MSG_NOSIGNAL);

    if (w < 0) {
        if (errno != EAGAIN)
            drop(pair_of(s));
        return;
    }
    s->at += (uint32_t)w;
    if (s->at < s->end)
        return;
    free(s->pending);
    s->pending = NULL;
    arm(s);
    arm(s->peer);
}

static bool watch(struct side *s, struct side *peer, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};

    s->fd = fd;
    s->peer = peer;
    s->armed = EPOLLIN;
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static void take_client(int listen_fd, const struct sockaddr_in *backend)
{
    int on = 1, fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK), to;
    struct pair *p;

    if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED))
        return;
    to = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    p = calloc(1, sizeof *p);
    if (fd < 0 || to < 0 || !p)
        die("bench_floor");
    setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if ((connect(to, (const struct sockaddr *)backend, sizeof *backend) < 0 && errno != EINPROGRESS) ||
        !watch(&p->sides[0], &p->sides[1], fd) || !watch(&p->sides[1], &p->sides[0], to))
        die("bench_floor: connect");
}

static int listen_on(const char *port)
{
    struct sockaddr_in a = loopback(port);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted sockets inherit it */
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 4096) < 0)
        die("bench_floor: listen");
    return fd;
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS], listening = {.events = EPOLLIN, .data.ptr = NULL};
    int turn = 0;

    if (argc < 3) {
        fputs("usage: bench_floor PORT BACKEND_PORT...\n", stderr);
        return 2;
    }
    int fd = listen_on(argv[1]);
    epoll_fd = epoll_create1(0);
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &listening) < 0)
        die("epoll");
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct side *s = events[i].data.ptr;
            if (!s) {
                struct sockaddr_in backend = loopback(argv[2 + turn++ % (argc - 2)]);
                take_client(fd, &backend);
                continue;
            }
            if (s->fd >= 0 && (events[i].events & EPOLLOUT) && s->pending)
                flush(s);
            if (s->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                copy_from(s);
        }
        while (dead) {
            struct pair *p = dead;
            dead = p->dead;
            free(p);
        }
    }
}
