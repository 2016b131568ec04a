/* Accepting from sockets that all workers share: one connection a turn, and not while this worker holds
 * clearly more than the mean. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "proto/http_refusal.h"
#include "worker/worker_int.h"

/* "Clearly more than the mean": by a sixteenth and four. */
#define SHARE_SLACK(mean) ((mean) / 16 + 4)
/* A seat whose heartbeat is older counts for nothing: its worker may be stopped. */
#define SEAT_FRESH_MS 1000u
static struct log_limit out_log;

static bool room(const struct worker *w)
{
    return w->n_conns - w->n_refused < w->conns_max;
}

static bool seat_accepts(const struct worker *w, const struct shm_seat *seat)
{
    return shm_get32(&seat->state) == SHM_SEAT_UP && shm_get32(&seat->accepting) &&
           w->now_ms < shm_get(&seat->heartbeat_ms) + SEAT_FRESH_MS;
}

/* Whether this worker should poll: it has room and no clearly larger share than the others, or everybody is
 * out of descriptors and somebody has to refuse. */
static bool should_poll(const struct worker *w)
{
    uint64_t sum = shm_get(&w->seat->connections), n = 1;
    for (uint32_t i = 0; i < w->shm.n_seats; i++) {
        const struct shm_seat *seat = w->shm.seats[i];
        if (seat != w->seat && seat_accepts(w, seat)) {
            sum += shm_get(&seat->connections);
            n++;
        }
    }
    if (!room(w))
        return n == 1 && w->n_refused < WORKER_REFUSALS_MAX;
    return w->n_conns <= sum / n + SHARE_SLACK(sum / n);
}

static void set_polling(struct worker *w, bool on)
{
    if (on == w->polling)
        return;
    w->polling = on;
    for (uint32_t i = 0; i < w->n_acceptors; i++) {
        struct acceptor *a = &w->acceptors[i];
        a->waited = false;
        if (a->fd < 0)
            continue;
        if (on)
            ev_io_start(w->loop, &a->watcher);
        else
            ev_io_stop(w->loop, &a->watcher);
    }
    if (on)
        ev_timer_stop(w->loop, &w->accept_timer);
    else
        ev_timer_again(w->loop, &w->accept_timer);
}

/* Over the configured bound of all workers together: raise our own gauge first, then sum (see candidates.c).
 * The caller has raised it. */
static bool over_max(const struct worker *w)
{
    uint64_t max = w->config->global.max_connections;
    if (!max)
        return false;
    atomic_thread_fence(memory_order_seq_cst);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < w->shm.n_seats; i++)
        sum += shm_get(&w->shm.seats[i]->connections);
    return sum > max;
}

static void welcome(struct worker *w, struct acceptor *a, int fd, const struct address *peer)
{
    struct shm_listener_cell *cell = shm_listener_cell(&w->shm, w->seat, a->listener);
    bool full = !room(w);
    struct conn *c = conn_new(w, a->listener, fd, peer);
    shm_add(&cell->accepted_total, 1);
    if (!c) {
        shm_add(&cell->ended[CLOSE_REASON_no_memory], 1);
        close(fd);
        return;
    }
    conn_count(w, c);
    if (full || over_max(w)) {
        conn_reason(c, full ? CLOSE_REASON_out_of_descriptors : CLOSE_REASON_max_connections);
        c->refused = true;
        w->n_refused++;
        if (full)
            log_limited(&out_log, LOG_LEVEL_WARNING,
                        "out of descriptors at %u connections: new ones are refused",
                        w->n_conns - w->n_refused);
    }
    conn_drive(w, c, EVENT_ENTER);
}

/* No descriptor is left: the reserve is given up for a moment to tell one client so. */
static void refuse_by_reserve(struct worker *w, struct acceptor *a)
{
    log_limited(&out_log, LOG_LEVEL_WARNING, "out of descriptors: new connections are refused");
    close(w->reserve_fd);
    int fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        struct shm_listener_cell *cell = shm_listener_cell(&w->shm, w->seat, a->listener);
        shm_add(&cell->accepted_total, 1);
        shm_add(&cell->ended[CLOSE_REASON_out_of_descriptors], 1);
        if (w->config->listeners[a->listener].protocol == CONFIG_PROTOCOL_WEBSOCKET) {
            char text[HTTP_REFUSAL_MAX];
            size_t n = http_refusal(text, sizeof text, 503, "too many connections",
                                    1 + (unsigned)rng_below(&w->rng, 10));
            char rest[4096];
            /* What is unread at the close would turn it into an RST that overtakes the answer. */
            while (recv(fd, rest, sizeof rest, MSG_DONTWAIT) == (ssize_t)sizeof rest)
                ;
            if (send(fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                log_debug("a refusal could not be sent: %s", strerrordesc_np(errno));
        }
        shutdown(fd, SHUT_WR);
        close(fd);
    }
    w->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* false: nobody waits, or nobody can be taken. */
static bool take_one(struct worker *w, struct acceptor *a)
{
    struct address peer = {0};
    peer.len = sizeof peer.un;
    int fd = accept4(a->fd, &peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        welcome(w, a, fd, &peer);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE) {
        set_polling(w, false); /* and the timer looks again: no spin */
        if (w->reserve_fd < 0)
            w->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (w->reserve_fd >= 0)
            refuse_by_reserve(w, a);
    } else if (errno == ENOMEM || errno == ENOBUFS) {
        set_polling(w, false);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        static struct log_limit limit;
        log_limited(&limit, LOG_LEVEL_WARNING, "accept: %s", strerrordesc_np(errno));
    }
    return false;
}

static void on_waiting(struct ev_loop *loop, ev_io *io, int revents)
{
    (void)loop;
    (void)revents;
    struct acceptor *a = io->data;
    struct worker *w = a->worker;
    if (!should_poll(w)) {
        set_polling(w, false);
        return;
    }
    if (take_one(w, a) && w->polling && !should_poll(w))
        set_polling(w, false);
}

/* Of a worker that doesn't poll: maybe it should now; and whoever has been waiting for two looks in a row is
 * taken by whom has room, since those who should have may be stopped. */
void accept_timer_cb(struct ev_loop *loop, ev_timer *t, int revents)
{
    (void)loop;
    (void)revents;
    struct worker *w = t->data;
    shm_set32(&w->seat->accepting, room(w));
    if (should_poll(w)) {
        set_polling(w, true);
        return;
    }
    for (uint32_t i = 0; i < w->n_acceptors && room(w); i++) {
        struct acceptor *a = &w->acceptors[i];
        struct pollfd p = {.fd = a->fd, .events = POLLIN};
        bool waiting = a->fd >= 0 && poll(&p, 1, 0) == 1;
        if (waiting && a->waited)
            take_one(w, a);
        a->waited = waiting;
    }
}

bool accept_start(struct worker *w)
{
    w->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (w->reserve_fd < 0)
        return false;
    for (uint32_t i = 0; i < w->n_acceptors; i++) {
        struct acceptor *a = &w->acceptors[i];
        a->worker = w;
        ev_io_init(&a->watcher, on_waiting, a->fd, EV_READ);
        a->watcher.data = a;
    }
    set_polling(w, true);
    return true;
}

void accept_rest(struct worker *w)
{
    for (uint32_t i = 0; i < w->n_acceptors; i++)
        while (w->acceptors[i].fd >= 0 && room(w) && take_one(w, &w->acceptors[i]))
            ;
}

void accept_close(struct worker *w)
{
    set_polling(w, false);
    ev_timer_stop(w->loop, &w->accept_timer);
    for (uint32_t i = 0; i < w->n_acceptors; i++) {
        if (w->acceptors[i].fd >= 0)
            close(w->acceptors[i].fd);
        w->acceptors[i].fd = -1;
    }
    w->n_acceptors = 0;
    shm_set32(&w->seat->accepting, 0);
}

void accept_review(struct worker *w)
{
    if (w->n_acceptors && !w->polling && should_poll(w))
        set_polling(w, true);
}
