#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "worker/worker_int.h"

#define BEAT_S        0.5
#define BEAT_MS       100u /* in a busy loop the heartbeat is set so often */
#define HEAP_EVERY_MS 1000u

/* ---- once a turn ---- */

static void beat(struct worker *w)
{
    shm_set(&w->seat->heartbeat_ms, w->now_ms);
    if (w->now_ms - w->heap_at_ms < HEAP_EVERY_MS)
        return;
    w->heap_at_ms = w->now_ms;
    struct mallinfo2 m = mallinfo2();
    shm_set(&w->seat->heap_bytes, m.uordblks + m.hblkhd + slab_bytes(&w->slab));
}

static void on_beat(struct ev_loop *loop, ev_timer *t, int revents)
{
    (void)loop;
    (void)revents;
    struct worker *w = t->data;
    beat(w);
    /* Handshakes leave free memory behind; when none has ended for a whole beat it goes back to the kernel.
     */
    if (w->trim_in && --w->trim_in == 0)
        malloc_trim(0);
}

static void on_check(struct ev_loop *loop, ev_check *c, int revents)
{
    (void)loop;
    (void)revents;
    struct worker *w = c->data;
    w->now_ms = clock_mono_ms();
}

static void fire(void *ctx, struct timer *t)
{
    struct worker *w = ctx;
    struct conn *c = (struct conn *)((char *)t - offsetof(struct conn, timer));
    if (w->now_ms >= c->until_ms)
        conn_drive(w, c, EVENT_TIME);
    else if (c->until_ms != TIMER_NEVER)
        timer_set(&w->wheel, t, c->until_ms);
}

static void on_wheel(struct ev_loop *loop, ev_timer *t, int revents)
{
    (void)loop;
    (void)revents;
    struct worker *w = t->data;
    w->wheel_at_ms = TIMER_NEVER;
    timer_wheel_run(&w->wheel, w->now_ms, fire, w);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *p, int revents)
{
    (void)revents;
    struct worker *w = p->data;
    while (w->dead) {
        struct conn *c = w->dead;
        w->dead = c->next;
        if (c->refused)
            w->n_refused--;
        conn_free(w, c);
    }
    if (!w->started)
        return;
    if (w->now_ms - shm_get(&w->seat->heartbeat_ms) >= BEAT_MS)
        beat(w);
    give_more(w);
    leave_check(w);
    if (w->rebuild) {
        /* What was given away stays in the epoll set as long as the taker has it open: the set is made anew.
         */
        ev_loop_fork(loop);
        w->rebuild = false;
    }
    uint64_t next = timer_wheel_next(&w->wheel);
    if (w->leaving && w->leave_by_ms < next)
        next = w->leave_by_ms;
    if (next >= w->wheel_at_ms)
        return; /* it rings soon enough */
    w->wheel_at_ms = next;
    double wait_s = next > w->now_ms ? (double)(next - w->now_ms) / 1e3 : 0;
    ev_timer_stop(loop, &w->wheel_timer);
    ev_timer_set(&w->wheel_timer, wait_s, 0);
    ev_timer_start(loop, &w->wheel_timer);
}

/* ---- log ---- */

static void log_to_director(void *ctx, enum log_level level, const char *line, size_t len)
{
    struct worker *w = ctx;
    struct msg_log head = {.level = (uint32_t)level, .text_len = (uint32_t)len};
    if (channel_io_is_open(&w->director) &&
        channel_io_try(&w->director, MSG_LOG, 0, &head, sizeof head, line, len))
        return;
    if (w->orphan)
        log_emit(level, line, len); /* nobody else is left to say it */
    else
        shm_add(&w->seat->log_dropped_total, 1);
}

/* ---- start ---- */

static void fail(struct worker *w, const char *why)
{
    log_error("can't start: %s", why);
    channel_io_send(&w->supervisor, MSG_FAILED, 0, why, strlen(why), NULL, 0);
    w->started = false;
    ev_break(w->loop, EVBREAK_ALL);
}

static struct config *read_config(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    if (size <= 0)
        return NULL;
    char *text = malloc((size_t)size);
    struct config *config = NULL;
    struct config_errors errors = {0};
    if (text && pread(fd, text, (size_t)size, 0) == size)
        config = config_parse(text, (size_t)size, "effective config", &errors);
    if (errors.text)
        log_error("%s", errors.text);
    config_errors_fini(&errors);
    free(text);
    return config;
}

static void take_hello(struct worker *w, const struct msg *m, const int *fds, unsigned n_fds)
{
    const struct msg_hello *h = msg_body(m);
    if (w->config || n_fds != 3 || h->n_seats > SHM_SEATS_MAX || h->seat >= h->n_seats) {
        fail(w, "a HELLO that can't be");
        return;
    }
    w->seat_no = h->seat;
    w->stamp = h->stamp;
    w->sandbox = h->sandbox;
    w->shm.max_backends = h->max_backends;
    w->shm.n_listeners = h->n_listeners;
    w->shm.n_seats = h->n_seats;
    char who[32];
    snprintf(who, sizeof who, "worker %u", h->number);
    log_init(who, (enum log_level)h->log_level);
    w->config = read_config(fds[0]);
    w->shm.supervisor = shm_map(fds[1], shm_supervisor_bytes(h->max_backends, h->n_listeners), false);
    w->shm.director = shm_map(fds[2], shm_director_bytes(h->max_backends), false);
    if (!w->config || !w->shm.supervisor || !w->shm.director)
        fail(w, "the config or the tables can't be read");
}

static void take_segments(struct worker *w, const struct msg *m, const int *fds, unsigned n_fds)
{
    const struct msg_range *r = msg_body(m);
    if (r->n != n_fds || r->first > w->shm.n_seats || r->n > w->shm.n_seats - r->first) {
        fail(w, "SEGMENTS that can't be");
        return;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t seat = r->first + i;
        w->shm.seats[seat] =
            shm_map(fds[i], shm_seat_bytes(w->shm.max_backends, w->shm.n_listeners), seat == w->seat_no);
        if (!w->shm.seats[seat]) {
            fail(w, "a seat can't be mapped");
            return;
        }
    }
    w->seat = w->shm.seats[w->seat_no];
}

static void take_sockets(struct worker *w, const struct msg *m, int *fds, unsigned n_fds)
{
    const struct msg_sockets *s = msg_body(m);
    if (s->kind != SOCKET_LISTENER || s->n != n_fds) {
        fail(w, "SOCKETS that can't be");
        return;
    }
    struct acceptor *more = realloc(w->acceptors, (w->n_acceptors + s->n) * sizeof *more);
    if (!more) {
        fail(w, "out of memory");
        return;
    }
    w->acceptors = more;
    for (uint32_t i = 0; i < s->n; i++) {
        w->acceptors[w->n_acceptors++] = (struct acceptor){.fd = fds[i], .listener = s->listener[i]};
        fds[i] = -1; /* ours now */
    }
}

/* A connection takes two descriptors; those in use now and a few in reserve are not for connections. */
static uint32_t conns_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    int used = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the lowest free one tells how many are in use */
    if (used < 0)
        return 0;
    close(used);
    uint64_t free_fds = limit.rlim_cur > (uint64_t)used ? limit.rlim_cur - (uint64_t)used : 0;
    if (free_fds > UINT32_MAX)
        free_fds = UINT32_MAX;
    return free_fds > WORKER_FDS_RESERVED + 1 ? (uint32_t)(free_fds - WORKER_FDS_RESERVED) / 2 : 1;
}

/* Everything that is needed is open: begin. */
static void take_start(struct worker *w)
{
    if (!w->config || !w->seat) {
        fail(w, "START before all was sent");
        return;
    }
    for (uint32_t i = 0; i < w->shm.n_seats; i++)
        if (!w->shm.seats[i]) {
            fail(w, "START before all seats were sent");
            return;
        }
    for (uint32_t i = 0; i < w->n_acceptors; i++)
        if (w->acceptors[i].listener >= w->config->n_listeners) {
            fail(w, "a socket of no listener");
            return;
        }
    rng_seed_os(&w->rng);
    session_ids_init(&w->ids, w->stamp);
    timer_wheel_init(&w->wheel, w->now_ms);
    w->wheel_at_ms = TIMER_NEVER;
    if (!candidates_init(&w->candidates, w->config, &w->shm, w->seat, &w->rng) || !accept_start(w)) {
        fail(w, "out of memory or descriptors");
        return;
    }
    w->conns_max = conns_max();
    char why[256];
    if (!sandbox_enter(&w->sandbox, NULL, why, sizeof why)) {
        fail(w, why);
        return;
    }
    w->started = true;
    shm_set(&w->seat->started_ms, w->now_ms);
    shm_set32(&w->seat->accepting, 1);
    beat(w);
    ev_timer_start(w->loop, &w->beat);
    shm_set32(&w->seat->state, SHM_SEAT_UP);
    channel_io_send(&w->supervisor, MSG_READY, 0, NULL, 0, NULL, 0);
    log_set_sink(log_to_director, w);
    log_debug("ready: up to %u connections", w->conns_max);
}

/* ---- channels ---- */

static void on_director(void *ctx, struct channel_io *ch, const struct msg *m, int *fds, unsigned n_fds)
{
    (void)ch;
    (void)fds;
    (void)n_fds;
    struct worker *w = ctx;
    if (w->started)
        query_message(w, m);
}

static void on_director_closed(void *ctx, struct channel_io *ch, const char *why)
{
    (void)ch;
    (void)why; /* it will be started again; the supervisor then sends a new end */
    query_drop_all(ctx);
}

static void take_peer(struct worker *w, int *fds, unsigned n_fds)
{
    if (n_fds != 1)
        return;
    query_drop_all(w);
    channel_io_fini(&w->director);
    channel_io_init(&w->director, w->loop, fds[0], on_director, on_director_closed, w);
    fds[0] = -1;
}

static void on_supervisor(void *ctx, struct channel_io *ch, const struct msg *m, int *fds, unsigned n_fds)
{
    (void)ch;
    struct worker *w = ctx;
    switch (m->type) {
    case MSG_HELLO:
        take_hello(w, m, fds, n_fds);
        break;
    case MSG_SEGMENTS:
        take_segments(w, m, fds, n_fds);
        break;
    case MSG_SOCKETS:
        take_sockets(w, m, fds, n_fds);
        break;
    case MSG_START:
        take_start(w);
        break;
    case MSG_PEER:
        take_peer(w, fds, n_fds);
        break;
    case MSG_GIVE:
    case MSG_TAKE:
        if (!w->started || n_fds != 1)
            break;
        if (m->type == MSG_GIVE)
            give_begin(w, fds[0]);
        else
            take_begin(w, fds[0], ((const struct msg_peer *)msg_body(m))->pid);
        fds[0] = -1;
        break;
    case MSG_SHUTDOWN:
        if (w->started)
            leave_begin(w, ((const struct msg_shutdown *)msg_body(m))->deadline_ms);
        else
            ev_break(w->loop, EVBREAK_ALL);
        break;
    case MSG_QUIT:
        ev_break(w->loop, EVBREAK_ALL);
        break;
    default:
        log_warning("the supervisor sent a %s, which is not for a worker", msg_type_name(m->type));
    }
}

/* The supervisor has died: what is queued is accepted, what listens is closed so that a new start finds its
 * addresses free, live connections are kept. */
static void on_supervisor_closed(void *ctx, struct channel_io *ch, const char *why)
{
    (void)ch;
    struct worker *w = ctx;
    if (!w->started) {
        ev_break(w->loop, EVBREAK_ALL);
        return;
    }
    w->orphan = true;
    accept_rest(w);
    accept_close(w);
    log_warning("the supervisor has gone%s%s: keeping %u connections, accepting no more", why ? ": " : "",
                why ? why : "", w->n_conns);
    leave_check(w);
}

static void on_term(struct ev_loop *loop, ev_signal *s, int revents)
{
    (void)revents;
    struct worker *w = s->data;
    if (!w->orphan)
        return; /* a terminal or a service manager signals everybody; the supervisor says what to do */
    if (w->leaving)
        ev_break(loop, EVBREAK_ALL);
    else
        leave_begin(w, w->now_ms + w->config->global.shutdown_timeout_ms);
}

int worker_main(void)
{
    struct worker *w = calloc(1, sizeof *w);
    if (!w) {
        log_error("worker: out of memory");
        return 4;
    }
    log_init("worker", LOG_LEVEL_INFO);
    fault_init();
    static const int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    w->reserve_fd = -1;
    slab_init(&w->slab, sizeof(struct conn));
    w->now_ms = clock_mono_ms();
    w->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (!w->loop) {
        log_error("worker: no event loop: %s", strerrordesc_np(errno));
        free(w);
        return 4;
    }
    ev_prepare_init(&w->prepare, on_prepare);
    ev_check_init(&w->check, on_check);
    ev_timer_init(&w->wheel_timer, on_wheel, 0, 0);
    ev_timer_init(&w->beat, on_beat, BEAT_S, BEAT_S);
    ev_init(&w->accept_timer, accept_timer_cb);
    w->accept_timer.repeat = ACCEPT_REVIEW_S;
    ev_signal_init(&w->term, on_term, SIGTERM);
    w->prepare.data = w->check.data = w->wheel_timer.data = w->beat.data = w->accept_timer.data =
        w->term.data = w;
    ev_prepare_start(w->loop, &w->prepare);
    ev_set_priority(&w->check, EV_MAXPRI); /* the time comes first in a turn */
    ev_check_start(w->loop, &w->check);
    ev_signal_start(w->loop, &w->term);
    channel_io_init(&w->supervisor, w->loop, MSG_CHANNEL_FD, on_supervisor, on_supervisor_closed, w);
    ev_run(w->loop, 0);
    /* The kernel closes what is open; what the clients were to be told has been told. */
    return w->started || w->orphan ? 0 : 4;
}
