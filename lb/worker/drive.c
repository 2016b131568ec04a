/* The driver: it alone writes a connection's state, checks the edge, sets the timer and arms the watchers
 * from what the step wants. */
#include <inttypes.h>
#include <stdlib.h>

#include "worker/worker_int.h"

typedef enum conn_state (*step)(struct worker *w, struct conn *c, unsigned events);

static const step steps[CONN_STATE_COUNT] = {
    [CONN_HEAD] = step_head,   [CONN_PICK] = step_pick,     [CONN_DIAL] = step_dial,
    [CONN_REPLY] = step_reply, [CONN_ANSWER] = step_answer, [CONN_RELAY] = step_relay,
    [CONN_DRAIN] = step_drain, [CONN_LOST] = step_lost,     [CONN_CLOSING] = step_closing,
    [CONN_RESET] = step_reset, [CONN_LINGER] = step_linger,
};

static void arm(struct worker *w, struct side *s)
{
    int want = s->io.fd >= 0 ? s->want : 0;
    int have = ev_is_active(&s->watcher) ? s->watcher.events & (EV_READ | EV_WRITE) : 0;
    if (want == have && (!want || s->watcher.fd == s->io.fd))
        return;
    ev_io_stop(w->loop, &s->watcher);
    if (want) {
        ev_io_set(&s->watcher, s->io.fd, want);
        ev_io_start(w->loop, &s->watcher);
    }
}

static void set_timer(struct worker *w, struct conn *c)
{
    if (c->until_ms == TIMER_NEVER)
        return; /* a timer that still stands fires once in vain */
    if (!timer_is_set(&c->timer) || c->until_ms < c->timer.at_ms)
        timer_set(&w->wheel, &c->timer, c->until_ms);
}

void conn_count(struct worker *w, struct conn *c)
{
    struct shm_listener_cell *cell = shm_listener_cell(&w->shm, w->seat, c->row.listener);
    shm_add(&w->seat->connections, 1);
    shm_add(&cell->connections, 1);
    if (c->row.opened)
        shm_add(&cell->open, 1);
    c->counted = true;
}

void conn_uncount(struct worker *w, struct conn *c)
{
    if (!c->counted)
        return;
    struct shm_listener_cell *cell = shm_listener_cell(&w->shm, w->seat, c->row.listener);
    shm_sub(&w->seat->connections, 1);
    shm_sub(&cell->connections, 1);
    if (c->row.opened)
        shm_sub(&cell->open, 1);
    c->counted = false;
}

/* Sockets, buffers and whoever else points to it. The memory goes at the end of the turn, since callers still
 * hold the pointer. */
static void let_go(struct worker *w, struct conn *c)
{
    for (int end = CLIENT; end <= BACKEND; end++) {
        ev_io_stop(w->loop, &c->side[end].watcher);
        io_close(&c->side[end].io);
        buffer_free(&c->side[end].out);
    }
    timer_cancel(&w->wheel, &c->timer);
    conn_uncount(w, c);
    conn_release_place(w, c);
    query_forget(w, c);
    give_forget(w, c);
    conn_handshake_free(w, c);
    conn_bury(w, c);
}

static void end(struct worker *w, struct conn *c)
{
    conn_reason(c, c->row.opened ? CLOSE_REASON_client : CLOSE_REASON_client_gone);
    if (log_get_level() <= LOG_LEVEL_DEBUG) {
        char source[ADDRESS_TEXT_MAX];
        address_ip_format(&c->row.client, true, source);
        log_debug("session %016" PRIx64 " from %s has ended: %s", c->row.id, source,
                  close_reason_name((enum close_reason)c->row.reason));
    }
    if (c->counted)
        shm_add(&shm_listener_cell(&w->shm, w->seat, c->row.listener)->ended[c->row.reason], 1);
    let_go(w, c);
    accept_review(w);
}

static void set_state(struct worker *w, struct conn *c, enum conn_state next)
{
    if (!conn_state_may((enum conn_state)c->row.state, next)) {
        log_error("session %016" PRIx64 ": no edge from %s to %s", c->row.id, conn_state_name(c->row.state),
                  conn_state_name(next));
        abort(); /* a bug: this worker's other connections can't be trusted to it either */
    }
    measure_edge(w, c, next);
    c->row.state = (uint8_t)next;
    c->until_ms = TIMER_NEVER;
    if (next == CONN_CLOSED)
        end(w, c);
    else if (next == CONN_RELAY && w->giver)
        w->giver->again = true;
}

void conn_drive(struct worker *w, struct conn *c, unsigned events)
{
    while (c->row.state != CONN_CLOSED && !c->frozen) {
        enum conn_state next = steps[c->row.state](w, c, events);
        if (next == c->row.state) {
            arm(w, &c->side[CLIENT]);
            arm(w, &c->side[BACKEND]);
            set_timer(w, c);
            return;
        }
        set_state(w, c, next);
        events = EVENT_ENTER;
    }
}

void conn_kill(struct worker *w, struct conn *c, enum close_reason reason)
{
    conn_reason(c, reason);
    if (c->row.state != CONN_CLOSED)
        set_state(w, c, CONN_CLOSED);
}

void conn_given(struct worker *w, struct conn *c)
{
    c->row.state = CONN_CLOSED;
    let_go(w, c);
    w->rebuild = true;
}
