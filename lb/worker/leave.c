/* Leaving: what listens is closed, live connections are told, spread over the time there is, and the process
 * ends after the last. */
#include "worker/worker_int.h"

/* A quiet moment may take a little more than a second to come. */
#define QUIET_ALLOWANCE_MS 1200u
/* Whoever has connected and not asked for anything yet (browsers do) gets so long to do it. */
#define HEAD_WITHIN_MS 1000u

static uint64_t close_timeout(const struct worker *w, const struct conn *c)
{
    uint64_t timeout = conn_listener(w, c)->close_timeout_ms,
             left = w->leave_by_ms > w->now_ms ? w->leave_by_ms - w->now_ms : 0;
    return timeout < left / 2 ? timeout : left / 2;
}

void leave_ask(struct worker *w, struct conn *c, uint64_t at_ms)
{
    uint64_t by = w->leave_by_ms - close_timeout(w, c);
    if (!conn_ask_end(c, (uint16_t)conn_pool(w, c)->close_code, CLOSE_REASON_shutdown, at_ms, by))
        log_warning("out of memory: a connection is not told of the shutdown");
}

static void hurry_head(struct worker *w, struct conn *c)
{
    uint64_t by = w->now_ms + HEAD_WITHIN_MS;
    if (c->row.state != CONN_HEAD || c->until_ms <= by)
        return;
    conn_until(c, by);
    timer_set(&w->wheel, &c->timer, by);
}

void leave_begin(struct worker *w, uint64_t deadline_ms)
{
    accept_rest(w);
    accept_close(w);
    if (w->leaving)
        return;
    w->leaving = true;
    w->leave_by_ms = deadline_ms > w->now_ms ? deadline_ms : w->now_ms;
    shm_set32(&w->seat->state, SHM_SEAT_LEAVING);
    log_info("leaving: %u connections, within %llu ms", w->n_conns,
             (unsigned long long)(w->leave_by_ms - w->now_ms));

    uint64_t left = w->leave_by_ms - w->now_ms;
    uint64_t n = 0, i = 0;
    for (struct conn *c = w->conns; c; c = c->next)
        n += c->row.state == CONN_RELAY;
    for (struct conn *c = w->conns, *next; c; c = next) {
        next = c->next;
        hurry_head(w, c);
        if (c->row.state != CONN_RELAY)
            continue;
        uint64_t timeout = close_timeout(w, c) + QUIET_ALLOWANCE_MS,
                 window = left > timeout ? left - timeout : 0;
        leave_ask(w, c, w->now_ms + window * i++ / n);
        conn_drive(w, c, EVENT_TIME);
    }
    leave_check(w);
}

void leave_check(struct worker *w)
{
    if (w->leaving && w->n_conns && w->now_ms >= w->leave_by_ms)
        for (struct conn *c = w->conns, *next; c; c = next) {
            next = c->next;
            conn_kill(w, c, CLOSE_REASON_shutdown);
        }
    if ((w->leaving || w->orphan || w->giver) && !w->n_conns)
        ev_break(w->loop, EVBREAK_ALL);
}
