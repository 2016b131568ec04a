#include "supervisor/child_start.h"

#include <errno.h>
#include <unistd.h>

#include "base/fdpass.h"

#define STAMPS 1024u

static uint32_t restarts_of(const struct child *c)
{
    const struct shm_supervisor *table = c->s->segments.shm.supervisor;
    if (c->role == ROLE_WORKER)
        return shm_get32(&table->restarts[c->number]);
    return (uint32_t)shm_get(&table->director_restarts_total);
}

static bool tell_hello(struct child *c)
{
    struct supervisor *s = c->s;
    struct msg_hello hello = {
        .role = (uint32_t)c->role,
        .seat = c->seat,
        .number = c->number,
        .workers = s->workers,
        .stamp = s->stamp++ % STAMPS,
        .max_backends = s->segments.shm.max_backends,
        .n_listeners = s->segments.shm.n_listeners,
        .n_seats = s->segments.shm.n_seats,
        .restarts = restarts_of(c),
        .supervisor_pid = (uint32_t)getpid(),
        .log_level = s->config->global.log_level,
        .sandbox = s->resolved.sandbox,
    };
    const struct segment *director = &s->segments.director;
    int fds[] = {segments_open_config(&s->segments), s->segments.supervisor.read_fd,
                 c->role == ROLE_DIRECTOR ? director->write_fd : director->read_fd};
    if (fds[0] < 0)
        return false;
    bool sent = channel_io_send(&c->channel, MSG_HELLO, 0, &hello, sizeof hello, fds, 3);
    close(fds[0]);
    return sent;
}

static bool tell_segments(struct child *c)
{
    const struct segments *g = &c->s->segments;
    struct msg_range range = {0, 0};
    for (; range.first < g->shm.n_seats; range.first += range.n) {
        int fds[MSG_FDS_MAX];
        uint32_t left = g->shm.n_seats - range.first;
        range.n = left < MSG_FDS_MAX ? left : MSG_FDS_MAX;
        for (uint32_t i = 0; i < range.n; i++) {
            uint32_t seat = range.first + i;
            bool own = c->role == ROLE_WORKER && seat == c->seat;
            fds[i] = own ? g->seats[seat].write_fd : g->seats[seat].read_fd;
        }
        if (!channel_io_send(&c->channel, MSG_SEGMENTS, 0, &range, sizeof range, fds, range.n))
            return false;
    }
    return true;
}

static bool tell_listeners(struct child *c)
{
    const struct sockets *sockets = &c->s->sockets;
    const struct resolved *r = &c->s->resolved;
    uint32_t n = 0;
    for (uint32_t first = 0; first < r->n_binds; first += n) {
        struct msg_sockets m = {.kind = SOCKET_LISTENER};
        n = r->n_binds - first < MSG_FDS_MAX ? r->n_binds - first : MSG_FDS_MAX;
        m.n = n;
        for (uint32_t i = 0; i < n; i++)
            m.listener[i] = (uint16_t)r->binds[first + i].listener;
        if (!channel_io_send(&c->channel, MSG_SOCKETS, 0, &m, sizeof m, sockets->listeners + first, n))
            return false;
    }
    return true;
}

static bool tell_admin(struct child *c)
{
    struct msg_sockets m = {.kind = SOCKET_ADMIN, .n = 1};
    return channel_io_send(&c->channel, MSG_SOCKETS, 0, &m, sizeof m, &c->s->sockets.admin, 1);
}

bool child_start_tell(struct child *c)
{
    errno = 0;
    return tell_hello(c) && tell_segments(c) &&
           (c->role == ROLE_WORKER ? tell_listeners(c) : tell_admin(c)) &&
           channel_io_send(&c->channel, MSG_START, 0, NULL, 0, NULL, 0);
}

/* Tells `c` that `other` is at the end `fd`. */
static void tell_peer(struct child *c, const struct child *other, uint32_t seat, int fd)
{
    struct msg_peer peer = {.role = (uint32_t)other->role, .seat = seat, .pid = (uint32_t)other->pid};
    channel_io_send(&c->channel, MSG_PEER, 0, &peer, sizeof peer, &fd, 1);
}

bool child_start_pair(struct child *director, struct child *worker)
{
    int ends[2];
    if (!fdpass_pair(ends))
        return false;
    tell_peer(director, worker, worker->seat, ends[0]);
    tell_peer(worker, director, worker->seat, ends[1]);
    close(ends[0]);
    close(ends[1]);
    return true;
}

bool child_start_succession(struct child *giver, struct child *taker)
{
    int ends[2];
    if (!fdpass_pair(ends))
        return false;
    struct msg_peer to_taker = {.role = ROLE_WORKER, .seat = giver->seat, .pid = (uint32_t)giver->pid};
    struct msg_peer to_giver = {.role = ROLE_WORKER, .seat = taker->seat, .pid = (uint32_t)taker->pid};
    channel_io_send(&taker->channel, MSG_TAKE, 0, &to_taker, sizeof to_taker, &ends[0], 1);
    channel_io_send(&giver->channel, MSG_GIVE, 0, &to_giver, sizeof to_giver, &ends[1], 1);
    close(ends[0]);
    close(ends[1]);
    return true;
}
