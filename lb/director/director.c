#include "director/director.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "director/director_int.h"
#include "director/startup.h"

#define BEAT_S 0.5

static void leave(struct director *d, int status)
{
    d->left = true;
    d->status = status;
    ev_break(d->loop, EVBREAK_ALL);
}

static void give_up(struct director *d, const char *why)
{
    log_error("the director can't start: %s", why);
    channel_io_send(&d->supervisor, MSG_FAILED, 0, why, strlen(why), NULL, 0);
    leave(d, 1);
}

/* ---- what it writes for the workers ---- */

/* Nothing is checked and no agent speaks: both words are UP for whatever stands in a slot. */
static void write_health(struct director *d)
{
    uint32_t n = shm_get32(&d->shm.supervisor->n_slots);

    for (uint32_t slot = 0; slot < n && slot < d->shm.max_backends; slot++) {
        uint32_t generation = shm_get32(&shm_backend(&d->shm, slot)->generation);
        struct shm_health *h = shm_health(&d->shm, slot);

        if (shm_get32(&h->generation) == generation)
            continue;
        shm_set32(&h->check_state, SHM_STATE_UP);
        shm_set32(&h->agent_state, SHM_STATE_UP);
        atomic_thread_fence(memory_order_release);
        shm_set32(&h->generation, generation);
    }
}

static void on_beat(struct ev_loop *loop, ev_timer *t, int revents)
{
    struct director *d = t->data;

    (void)loop;
    (void)revents;
    shm_set(&d->shm.director->heartbeat_ms, clock_mono_ms());
    write_health(d);
    peers_tick(&d->peers);
}

/* ---- the supervisor's messages ---- */

/* Everything is open; the first byte of anybody else is read after READY. */
static void start(struct director *d)
{
    struct shm_director *own = d->shm.director;
    char why[STARTUP_WHY_MAX];

    if (d->started || !startup_complete(d, why)) {
        give_up(d, d->started ? "START has come twice" : why);
        return;
    }
    if (!sandbox_enter(&d->hello.sandbox, NULL, why, sizeof why)) {
        give_up(d, why);
        return;
    }
    own->version = SHM_VERSION;
    shm_set32(&own->pid, (uint32_t)getpid());
    shm_set(&own->started_ms, clock_mono_ms());
    ev_timer_start(d->loop, &d->beat);
    on_beat(d->loop, &d->beat, 0);
    d->started = true;
    channel_io_send(&d->supervisor, MSG_READY, 0, NULL, 0, NULL, 0);
    admin_start(&d->admin);
}

static void take_peer(struct director *d, const struct msg *m, int *fds, unsigned n_fds)
{
    const struct msg_peer *p = msg_body(m);

    if (p->role != ROLE_WORKER || p->seat >= d->peers.n || n_fds != 1) {
        log_error("a channel that is none of a worker's is dropped");
        return;
    }
    peers_set(&d->peers, p->seat, fds[0]);
    fds[0] = -1;
}

static void on_message(void *ctx, struct channel_io *c, const struct msg *m, int *fds, unsigned n_fds)
{
    struct director *d = ctx;
    char why[STARTUP_WHY_MAX];
    bool fine = true;

    (void)c;
    if (d->left)
        return;
    if (m->type != MSG_HELLO && m->type != MSG_QUIT && !d->greeted) {
        give_up(d, "the supervisor's first message is no HELLO");
        return;
    }
    switch (m->type) {
    case MSG_HELLO:
        fine = startup_hello(d, m, fds, n_fds, why);
        break;
    case MSG_SEGMENTS:
        fine = startup_segments(d, m, fds, n_fds, why);
        break;
    case MSG_SOCKETS:
        fine = startup_sockets(d, m, fds, n_fds, why);
        break;
    case MSG_START:
        start(d);
        break;
    case MSG_PEER:
        take_peer(d, m, fds, n_fds);
        break;
    case MSG_QUIT:
        leave(d, 0);
        break;
    case MSG_SHUTDOWN: /* the admin socket serves until QUIT */
        break;
    case MSG_DONE:
        if (!ask_answer(d, ASK_SUPERVISOR, m))
            log_error("an answer of the supervisor that nobody has asked for");
        break;
    default:
        log_error("the supervisor has sent %s, which is nothing for a director", msg_type_name(m->type));
        break;
    }
    if (!fine)
        give_up(d, why);
}

static void on_closed(void *ctx, struct channel_io *c, const char *why)
{
    struct director *d = ctx;

    (void)c;
    if (why)
        log_error("the channel with the supervisor is closed: %s", why);
    leave(d, 0);
}

/* ---- life ---- */

/* The supervisor alone ends it; what a terminal or an operator sends to the whole group is meant for that
 * one. */
static void ignore_signals(void)
{
    static const int ignored[] = {SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2};

    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
}

static void fini(struct director *d)
{
    admin_fini(&d->admin);
    peers_fini(&d->peers);
    channel_io_fini(&d->supervisor);
    asks_fini(d);
    config_free(d->config);
    free(d->config_text);
    log_set_sink(NULL, NULL);
    ev_loop_destroy(d->loop);
}

int director_main(void)
{
    static struct director d;

    ignore_signals();
    log_init("director", LOG_LEVEL_INFO);
    log_out_init(&d.log);
    d.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    if (!d.loop) {
        log_error("the director can't start: no event loop");
        return 1;
    }
    sessions_init(&d.sessions);
    ev_timer_init(&d.beat, on_beat, BEAT_S, BEAT_S);
    d.beat.data = &d;
    channel_io_init(&d.supervisor, d.loop, MSG_CHANNEL_FD, on_message, on_closed, &d);
    ev_run(d.loop, 0);
    fini(&d);
    return d.status;
}
