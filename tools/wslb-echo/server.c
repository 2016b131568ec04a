#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "conn.h"
#include "net/listen.h"

#define EVENTS_MAX      256
#define ACCEPTS_A_TURN  64
#define ACCEPT_AGAIN_MS 100
#define STOP_TIMEOUT_MS 1000
#define LISTEN_BACKLOG  4096
#define KEEPALIVE_MS    60000

static bool complain(const char *what)
{
    fprintf(stderr, "wslb-echo: %s: %s\n", what, strerror(errno));
    return false;
}

/* As many descriptors as we may have; each connection is one. */
static void raise_descriptors(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r); /* what can't be raised is met when accept fails */
    }
}

static bool watch(struct server *s, int fd, struct source *source)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = source};

    return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0 || complain("epoll_ctl");
}

static void say_where(const struct server *s, int fd)
{
    struct address a = {.len = sizeof a.un};
    char text[ADDRESS_TEXT_MAX] = "?";

    if (getsockname(fd, &a.sa, &a.len) == 0)
        address_format(&a, text);
    fprintf(stderr, "wslb-echo: %s listens on %s\n", s->o->name, text);
}

static bool listen_all(struct server *s)
{
    const struct listen_options options = {.backlog = LISTEN_BACKLOG, .keepalive_ms = KEEPALIVE_MS};
    char err[256];

    for (unsigned i = 0; i < s->o->n_listen; i++) {
        int fd = listen_open(&s->o->listen[i], &options, err, sizeof err);
        if (fd < 0) {
            fprintf(stderr, "wslb-echo: %s\n", err);
            return false;
        }
        s->listeners[i] = (struct listener){.source.kind = SOURCE_LISTENER, .fd = fd};
        s->n_listeners++;
        if (!watch(s, fd, &s->listeners[i].source))
            return false;
    }
    for (unsigned i = 0; i < s->n_listeners; i++)
        say_where(s, s->listeners[i].fd);
    s->accepting = true;
    return true;
}

static bool take_signals(struct server *s)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return complain("sigprocmask");
    s->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->signal_fd < 0)
        return complain("signalfd");
    s->signal.kind = SOURCE_SIGNAL;
    return watch(s, s->signal_fd, &s->signal);
}

bool server_start(struct server *s, const struct options *o)
{
    memset(s, 0, sizeof *s);
    s->o = o;
    s->epoll_fd = s->signal_fd = -1;
    s->now_ms = clock_mono_ms();
    for (unsigned i = 0; i < sizeof s->pattern; i++)
        s->pattern[i] = (uint8_t)('a' + i % SERVER_PATTERN_CYCLE);
    timer_wheel_init(&s->wheel, s->now_ms);
    raise_descriptors();
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll_fd < 0)
        return complain("epoll_create1");
    return take_signals(s) && listen_all(s);
}

/* Listening sockets stay open meanwhile: who comes waits in the queue. */
static void accept_pause(struct server *s)
{
    for (unsigned i = 0; i < s->n_listeners; i++)
        epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, s->listeners[i].fd, NULL);
    s->accepting = false;
    timer_set(&s->wheel, &s->accept_again, s->now_ms + ACCEPT_AGAIN_MS);
}

static void accept_resume(struct server *s)
{
    bool fine = true;

    for (unsigned i = 0; i < s->n_listeners && fine; i++)
        fine = watch(s, s->listeners[i].fd, &s->listeners[i].source);
    s->accepting = fine;
    if (!fine)
        accept_pause(s);
}

static void accept_some(struct server *s, const struct listener *l)
{
    for (unsigned i = 0; i < ACCEPTS_A_TURN && s->accepting; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            s->stats.accepted++;
            conn_new(s, fd);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            complain("accept");
            accept_pause(s);
        }
        /* Anything else is one client's own misfortune. */
    }
}

static void stop(struct server *s)
{
    if (s->stopping) {
        s->over = true;
        return;
    }
    s->stopping = true;
    s->accepting = false;
    for (unsigned i = 0; i < s->n_listeners; i++)
        close(s->listeners[i].fd);
    s->n_listeners = 0;
    timer_cancel(&s->wheel, &s->accept_again);
    timer_set(&s->wheel, &s->stop_deadline, s->now_ms + STOP_TIMEOUT_MS);
    for (struct conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        conn_go_away(c);
    }
}

static void on_signal(struct server *s)
{
    struct signalfd_siginfo info;

    while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        stop(s);
}

static void on_timer(void *ctx, struct timer *t)
{
    struct server *s = ctx;

    if (t == &s->accept_again)
        accept_resume(s);
    else if (t == &s->stop_deadline)
        s->over = true;
    else
        conn_timer((struct conn *)(void *)((char *)t - offsetof(struct conn, timer)));
}

static void on_event(struct server *s, const struct epoll_event *ev)
{
    struct source *source = ev->data.ptr;

    switch (source->kind) {
    case SOURCE_LISTENER:
        accept_some(s, (struct listener *)source);
        break;
    case SOURCE_CONN:
        conn_event((struct conn *)source, ev->events);
        break;
    case SOURCE_SIGNAL:
        on_signal(s);
        break;
    }
}

static void bury(struct server *s)
{
    while (s->dead) {
        struct conn *c = s->dead;
        s->dead = c->next;
        free(c);
    }
}

static int wait_ms(const struct server *s)
{
    uint64_t next = timer_wheel_next(&s->wheel);

    if (next == TIMER_NEVER)
        return -1;
    return next <= s->now_ms ? 0 : next - s->now_ms > 60000 ? 60000 : (int)(next - s->now_ms);
}

bool server_run(struct server *s)
{
    struct epoll_event events[EVENTS_MAX];

    while (!s->over && !(s->stopping && !s->conns)) {
        int n = epoll_wait(s->epoll_fd, events, EVENTS_MAX, wait_ms(s));
        if (n < 0 && errno != EINTR)
            return complain("epoll_wait");
        s->now_ms = clock_mono_ms();
        for (int i = 0; i < n; i++)
            on_event(s, &events[i]);
        timer_wheel_run(&s->wheel, s->now_ms, on_timer, s);
        bury(s);
    }
    return true;
}

void server_fini(struct server *s)
{
    while (s->conns)
        conn_kill(s->conns);
    bury(s);
    for (unsigned i = 0; i < s->n_listeners; i++)
        close(s->listeners[i].fd);
    if (s->signal_fd >= 0)
        close(s->signal_fd);
    if (s->epoll_fd >= 0)
        close(s->epoll_fd);
}
