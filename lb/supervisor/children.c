#include "supervisor/children.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "base/units.h"
#include "proto/close_reason.h"
#include "supervisor/child_says.h"
#include "supervisor/child_start.h"
#include "supervisor/spawn.h"
#include "supervisor/stopping.h"

#define START_PATIENCE_MS 10000u /* until READY */
#define END_PATIENCE_MS   2000u  /* between the end of its channel and its own */
#define TEXT_MAX          256

_Static_assert(CLOSE_REASON_COUNT <= SHM_REASONS_MAX, "a seat has a word for each close reason");

static void set_timer(struct child *c, uint64_t ms)
{
    ev_now_update(c->s->loop);
    ev_timer_stop(c->s->loop, &c->timer);
    ev_timer_set(&c->timer, (double)ms / 1000.0, 0.0);
    ev_timer_start(c->s->loop, &c->timer);
}

static void stop_timer(struct child *c)
{
    ev_timer_stop(c->s->loop, &c->timer);
}

static struct shm_seat *seat_of(const struct child *c)
{
    return c->role == ROLE_WORKER ? c->s->segments.shm.seats[c->seat] : NULL;
}

/* The end of a child */

static void describe_status(int status, char out[TEXT_MAX])
{
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        snprintf(out, TEXT_MAX, "was killed by signal %d (SIG%s)", WTERMSIG(status), name ? name : "?");
    } else {
        snprintf(out, TEXT_MAX, "exited with status %d", WEXITSTATUS(status));
    }
}

/* The seat's totals are kept, what was open is booked, the seat is free. Returns what it held. */
static uint64_t retire_seat(struct child *c)
{
    struct shm_seat *seat = seat_of(c);
    if (!seat)
        return 0;
    uint64_t held = shm_get(&seat->connections);
    enum close_reason why = c->s->phase == STOP_NONE ? CLOSE_REASON_worker_died : CLOSE_REASON_shutdown;
    shm_fold(&c->s->segments.shm, seat, why);
    return held;
}

static void start_again(struct child *c, uint64_t lived_ms, const char *what)
{
    uint64_t pause_ms = restart_pause_ms(&c->restart, lived_ms);
    char text[UNITS_TEXT_MAX], when[UNITS_TEXT_MAX + 8] = "at once";
    if (pause_ms > 0) {
        units_format_time_ms(pause_ms, text);
        snprintf(when, sizeof when, "in %s", text);
    }
    log_warning("%s %s; the next one starts %s", c->name, what, when);
    set_timer(c, pause_ms);
}

/* When it is reaped and its last words are read. */
static void finish(struct child *c)
{
    uint64_t lived_ms = c->ready_ms ? clock_mono_ms() - c->ready_ms : 0;
    uint64_t held = retire_seat(c);
    char how[TEXT_MAX], what[2 * TEXT_MAX];
    describe_status(c->status, how);
    int n = snprintf(what, sizeof what, "(pid %d) %s", (int)c->pid, how);
    if (c->role == ROLE_WORKER)
        snprintf(what + n, sizeof what - (size_t)n, ", with %" PRIu64 " connections", held);
    stop_timer(c);
    c->pid = 0;
    c->state = CHILD_ABSENT;
    if (c->leaving) {
        c->leaving = false;
        log_at(c->status == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "%s %s; its successor stays", c->name,
               what);
        if (c->s->phase != STOP_NONE)
            stopping_child_gone(c->s);
        return;
    }
    if (c->s->phase == STOP_NONE) {
        start_again(c, lived_ms, what);
        return;
    }
    log_at(c->status == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "%s %s", c->name, what);
    stopping_child_gone(c->s);
}

static void on_reaped(struct ev_loop *loop, ev_child *w, int events)
{
    struct child *c = w->data;
    (void)events;
    ev_child_stop(loop, w);
    c->reaped = true;
    c->status = w->rstatus;
    if (!c->has_channel)
        finish(c);
}

void children_kill(struct child *c)
{
    if (!c->pid || c->reaped)
        return;
    kill(c->pid, SIGKILL);
    c->state = CHILD_ENDING;
    stop_timer(c);
}

void children_kill_for(struct child *c, const char *fmt, ...)
{
    char why[TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    log_error("%s (pid %d) %s: it is killed", c->name, (int)c->pid, why);
    children_kill(c);
}

static void on_channel_closed(void *ctx, struct channel_io *channel, const char *why)
{
    struct child *c = ctx;
    (void)channel;
    c->has_channel = false;
    if (c->reaped) {
        finish(c);
    } else if (why) {
        children_kill_for(c, "has a broken channel (%s)", why);
    } else if (c->state != CHILD_ENDING) {
        /* It is leaving, or should be. */
        c->state = CHILD_ENDING;
        set_timer(c, END_PATIENCE_MS);
    }
}

/* The start of a child */

static void prepare_seat(struct child *c)
{
    struct shm_seat *seat = seat_of(c);
    if (!seat)
        return;
    seat->version = SHM_VERSION;
    shm_set32(&seat->number, c->number);
    shm_set(&seat->started_ms, clock_mono_ms());
    shm_set32(&seat->state, SHM_SEAT_STARTING);
}

static void count_start(struct child *c)
{
    struct shm_supervisor *table = c->s->segments.shm.supervisor;
    struct shm_seat *seat = seat_of(c);
    if (seat)
        shm_set32(&seat->pid, (uint32_t)c->pid);
    if (!c->has_been && !c->successor) {
        c->has_been = true;
    } else if (seat) {
        shm_set32(&table->restarts[c->number], shm_get32(&table->restarts[c->number]) + 1);
        shm_add(&table->worker_restarts_total, 1);
    } else {
        shm_add(&table->director_restarts_total, 1);
    }
}

static bool is_alive(const struct child *c)
{
    return c->state == CHILD_STARTING || c->state == CHILD_READY;
}

static void pair_all(struct child *c)
{
    struct supervisor *s = c->s;
    struct child *director = children_director(s);
    for (uint32_t i = 1; i < s->n_children; i++) {
        struct child *worker = s->children[i];
        if (c != director && c != worker)
            continue;
        if (!is_alive(director) || !is_alive(worker))
            continue;
        if (!child_start_pair(director, worker))
            /* The director's death is noticed by no client, and the next one gets new channels. */
            children_kill_for(director, "has no channel to %s (%s)", worker->name, strerror(errno));
    }
}

/* false: errno */
static bool fork_child(struct child *c)
{
    int ends[2];
    if (!fdpass_pair(ends))
        return false;
    pid_t pid = spawn_role(c->role == ROLE_WORKER ? "worker" : "director", ends[1]);
    int saved = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        errno = saved;
        return false;
    }
    c->pid = pid;
    c->state = CHILD_STARTING;
    c->reaped = false;
    c->has_channel = true;
    c->ready_ms = 0;
    ev_child_set(&c->reaper, pid, 0);
    ev_child_start(c->s->loop, &c->reaper);
    channel_io_init(&c->channel, c->s->loop, ends[0], child_says, on_channel_closed, c);
    return true;
}

static void begin(struct child *c)
{
    prepare_seat(c);
    if (!fork_child(c)) {
        char what[TEXT_MAX];
        snprintf(what, sizeof what, "can't be started (%s)", strerror(errno));
        retire_seat(c);
        start_again(c, 0, what);
        return;
    }
    count_start(c);
    log_debug("%s is started, pid %d", c->name, (int)c->pid);
    set_timer(c, START_PATIENCE_MS);
    if (child_start_tell(c))
        pair_all(c);
    else
        children_kill_for(c, "can't be told what it needs (%s)", strerror(errno));
}

static void report_ready(struct supervisor *s)
{
    if (s->was_ready)
        return;
    for (uint32_t i = 0; i <= s->workers; i++)
        if (s->children[i]->state != CHILD_READY)
            return;
    s->was_ready = true;
    log_notice("ready: %" PRIu32 " workers, %" PRIu32 " listeners on %" PRIu32 " addresses, %" PRIu32
               " backends in %" PRIu32 " pools",
               s->workers, s->config->n_listeners, s->resolved.n_binds, s->config->n_backends,
               s->config->n_pools);
}

/* Succession */

static struct child **place_beside(struct supervisor *s, uint32_t number)
{
    return &s->children[1 + s->workers + number];
}

/* A worker is READY: a successor takes its place, and whoever leaves gives its connections to it. (A leaving
 * one whose successor had died gets the next.) */
static void succeed(struct child *c)
{
    struct supervisor *s = c->s;
    struct child **beside = place_beside(s, c->number), **place = &s->children[1 + c->number];
    if (c->successor) {
        struct child *old = *place;
        c->successor = false;
        c->has_been = true;
        *place = c;
        *beside = old;
        if (old->state == CHILD_ABSENT)
            stop_timer(old); /* it has died meanwhile */
        else
            old->leaving = true;
    }
    struct child *giver = *beside;
    if (!giver->leaving || !is_alive(giver))
        return;
    if (!child_start_succession(giver, c))
        log_error("%s has no channel to its successor (%s): its connections stay with it", giver->name,
                  strerror(errno));
}

static bool seat_is_taken(const struct supervisor *s, uint32_t seat)
{
    for (uint32_t i = 1; i < s->n_children; i++) {
        const struct child *c = s->children[i];
        bool beside = i > s->workers;
        if (c->seat == seat && (!beside || c->pid || c->successor))
            return true;
    }
    return false;
}

bool children_replace(struct supervisor *s, uint32_t number, char *err, size_t err_len)
{
    if (number >= s->workers) {
        snprintf(err, err_len, "there is no worker %" PRIu32 "; they are 0 to %" PRIu32, number,
                 s->workers - 1);
        return false;
    }
    struct child *c = *place_beside(s, number);
    if (s->phase != STOP_NONE)
        snprintf(err, err_len, "the balancer is stopping");
    else if (children_worker(s, number)->state != CHILD_READY)
        snprintf(err, err_len, "worker %" PRIu32 " isn't up", number);
    else if (c->pid || c->successor)
        snprintf(err, err_len, "worker %" PRIu32 " is being replaced already", number);
    else {
        c->seat = 0;
        while (c->seat < s->segments.shm.n_seats && seat_is_taken(s, c->seat))
            c->seat++;
        if (c->seat == s->segments.shm.n_seats) {
            snprintf(err, err_len, "no seat is free");
            return false;
        }
        c->successor = true;
        log_notice("%s is to be replaced", c->name);
        begin(c);
        return true;
    }
    return false;
}

void children_ready(struct child *c)
{
    if (c->state != CHILD_STARTING) {
        children_kill_for(c, "has said READY twice");
        return;
    }
    c->state = CHILD_READY;
    c->ready_ms = clock_mono_ms();
    stop_timer(c);
    log_info("%s (pid %d) is ready", c->name, (int)c->pid);
    if (c->role == ROLE_WORKER)
        succeed(c);
    report_ready(c->s);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
    struct child *c = w->data;
    (void)loop, (void)events;
    switch (c->state) {
    case CHILD_ABSENT:
        begin(c);
        break;
    case CHILD_STARTING:
        children_kill_for(c, "isn't ready after %u s", START_PATIENCE_MS / 1000);
        break;
    case CHILD_ENDING:
        children_kill_for(c, "has closed its channel and lives on");
        break;
    case CHILD_READY:
        break;
    }
}

/* The table */

static struct child *child_new(struct supervisor *s, enum msg_role role, uint32_t number)
{
    char name[32] = "director";
    if (role == ROLE_WORKER)
        snprintf(name, sizeof name, "worker %" PRIu32, number);
    struct child *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->s = s;
    c->role = role;
    c->number = c->seat = number;
    c->name = strdup(name);
    ev_init(&c->reaper, on_reaped);
    ev_init(&c->timer, on_timer);
    c->reaper.data = c->timer.data = c;
    return c;
}

bool children_init(struct supervisor *s)
{
    s->n_children = 2 * s->workers + 1;
    s->children = calloc(s->n_children, sizeof *s->children);
    if (!s->children)
        return false;
    for (uint32_t i = 0; i < s->n_children; i++) {
        enum msg_role role = i ? ROLE_WORKER : ROLE_DIRECTOR;
        s->children[i] = child_new(s, role, i ? (i - 1) % s->workers : 0);
        if (!s->children[i] || !s->children[i]->name)
            return false;
    }
    return true;
}

void children_start(struct supervisor *s)
{
    for (uint32_t i = 0; i <= s->workers; i++)
        begin(s->children[i]);
}

void children_fini(struct supervisor *s)
{
    for (uint32_t i = 0; s->children && i < s->n_children && s->children[i]; i++) {
        struct child *c = s->children[i];
        children_kill(c);
        ev_child_stop(s->loop, &c->reaper);
        stop_timer(c);
        channel_io_fini(&c->channel);
        free(c->name);
        free(c);
    }
    free(s->children);
    s->children = NULL;
}

static bool any_from(const struct supervisor *s, uint32_t first)
{
    for (uint32_t i = first; i < s->n_children; i++)
        if (s->children[i]->pid)
            return true;
    return false;
}

bool children_any_worker(const struct supervisor *s)
{
    return any_from(s, 1);
}

bool children_any(const struct supervisor *s)
{
    return any_from(s, 0);
}

void children_stop_restarts(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->n_children; i++)
        if (s->children[i]->state == CHILD_ABSENT)
            stop_timer(s->children[i]);
}
