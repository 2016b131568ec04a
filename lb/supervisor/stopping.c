#include "supervisor/stopping.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/units.h"
#include "supervisor/children.h"

#define LATE_MS     1000u /* after the deadline, for workers that are just leaving */
#define DIRECTOR_MS 1000u /* between QUIT and SIGKILL */
#define STOP_NOW_MS 500u

static void set_timer(struct supervisor *s, uint64_t ms)
{
    ev_now_update(s->loop);
    ev_timer_stop(s->loop, &s->stop_timer);
    ev_timer_set(&s->stop_timer, (double)ms / 1000.0, 0.0);
    ev_timer_start(s->loop, &s->stop_timer);
}

static void done(struct supervisor *s)
{
    s->phase = STOP_DONE;
    ev_timer_stop(s->loop, &s->stop_timer);
    log_notice("stopped");
    ev_break(s->loop, EVBREAK_ALL);
}

static void end_director(struct supervisor *s)
{
    struct child *director = children_director(s);
    s->phase = STOP_DIRECTOR;
    if (!director->pid) {
        done(s);
        return;
    }
    channel_io_send(&director->channel, MSG_QUIT, 0, NULL, 0, NULL, 0);
    set_timer(s, DIRECTOR_MS);
}

static void end_workers(struct supervisor *s)
{
    uint64_t timeout_ms = s->config->global.shutdown_timeout_ms;
    struct msg_shutdown m = {.deadline_ms = clock_mono_ms() + timeout_ms};
    char text[UNITS_TEXT_MAX];
    units_format_time_ms(timeout_ms, text);
    log_notice("the listeners close; live connections have %s", text);
    s->phase = STOP_WORKERS;
    sockets_close_listeners(&s->sockets);
    for (uint32_t i = 1; i < s->n_children; i++) {
        struct child *c = s->children[i];
        if (channel_io_is_open(&c->channel))
            channel_io_send(&c->channel, MSG_SHUTDOWN, 0, &m, sizeof m, NULL, 0);
    }
    set_timer(s, timeout_ms + LATE_MS);
}

static void stop_now(struct supervisor *s)
{
    s->phase = STOP_NOW;
    sockets_close_listeners(&s->sockets);
    for (uint32_t i = 0; i < s->n_children; i++)
        if (channel_io_is_open(&s->children[i]->channel))
            channel_io_send(&s->children[i]->channel, MSG_QUIT, 0, NULL, 0, NULL, 0);
    set_timer(s, STOP_NOW_MS);
}

static void kill_workers(struct supervisor *s)
{
    for (uint32_t i = 1; i < s->n_children; i++) {
        struct child *c = s->children[i];
        if (c->pid)
            log_warning("%s (pid %d) hasn't left by the deadline: it is killed", c->name, (int)c->pid);
        children_kill(c);
    }
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
    struct supervisor *s = w->data;
    (void)loop, (void)events;
    switch (s->phase) {
    case STOP_DELAY:
        end_workers(s);
        break;
    case STOP_WORKERS:
        kill_workers(s);
        break;
    case STOP_DIRECTOR:
    case STOP_NOW:
        for (uint32_t i = 0; i < s->n_children; i++)
            children_kill(s->children[i]);
        break;
    case STOP_NONE:
    case STOP_DONE:
        break;
    }
    stopping_child_gone(s);
}

void stopping_init(struct supervisor *s)
{
    s->phase = STOP_NONE;
    ev_timer_init(&s->stop_timer, on_timer, 0.0, 0.0);
    s->stop_timer.data = s;
}

void stopping_fini(struct supervisor *s)
{
    ev_timer_stop(s->loop, &s->stop_timer);
}

void stopping_begin(struct supervisor *s, const char *why)
{
    uint64_t delay_ms = s->config->global.shutdown_delay_ms;
    if (s->phase == STOP_DONE)
        return;
    if (s->phase != STOP_NONE) {
        log_notice("%s once more: stopping at once", why);
        stop_now(s);
    } else if (delay_ms > 0) {
        char text[UNITS_TEXT_MAX];
        units_format_time_ms(delay_ms, text);
        log_notice("%s: stopping; accepting goes on for %s", why, text);
        s->phase = STOP_DELAY;
        set_timer(s, delay_ms);
    } else {
        log_notice("%s: stopping", why);
        end_workers(s);
    }
    children_stop_restarts(s);
    stopping_child_gone(s);
}

void stopping_child_gone(struct supervisor *s)
{
    switch (s->phase) {
    case STOP_DELAY:
    case STOP_WORKERS:
        if (!children_any_worker(s))
            end_director(s);
        break;
    case STOP_DIRECTOR:
    case STOP_NOW:
        if (!children_any(s))
            done(s);
        break;
    case STOP_NONE:
    case STOP_DONE:
        break;
    }
}
