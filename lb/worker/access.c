/* The access log's events on their way to the director: gathered in a turn, sent together at its end. What
 * the director doesn't take waits for the next turn; when there is no room left, the newest is lost and
 * counted. */
#include <stdlib.h>
#include <string.h>

#include "worker/worker_int.h"

/* As many as fit into two messages. */
#define HELD_MAX (2 * MSG_ACCESS_MAX)

struct access {
    uint32_t n;
    struct conn_event events[HELD_MAX];
};

bool access_start(struct worker *w)
{
    if (!w->config->global.access_log)
        return true;
    w->access = calloc(1, sizeof *w->access);
    return w->access;
}

void access_flush(struct worker *w)
{
    struct access *a = w->access;
    uint32_t sent = 0;
    while (sent < a->n && channel_io_is_open(&w->director)) {
        uint32_t left = a->n - sent;
        struct msg_access head = {.n = left < MSG_ACCESS_MAX ? left : (uint32_t)MSG_ACCESS_MAX,
                                  .event_bytes = sizeof(struct conn_event)};
        if (!channel_io_try(&w->director, MSG_ACCESS, 0, &head, sizeof head, a->events + sent,
                            head.n * sizeof *a->events))
            break;
        sent += head.n;
    }
    if (!sent)
        return;
    a->n -= sent;
    memmove(a->events, a->events + sent, a->n * sizeof *a->events);
}

/* Room for one more; NULL: it is lost. */
static struct conn_event *next_event(struct worker *w)
{
    struct access *a = w->access;
    if (a->n == HELD_MAX)
        access_flush(w);
    if (a->n < HELD_MAX)
        return &a->events[a->n++];
    shm_add(&w->seat->log_dropped_total, 1);
    return NULL;
}

void access_add(struct worker *w, const struct conn *c, enum conn_event_kind kind)
{
    struct conn_event *e = next_event(w);
    if (e)
        conn_event_of(e, &c->row, kind, w->now_ms);
}

void access_add_refused(struct worker *w, uint16_t listener, const struct address *peer,
                        enum close_reason reason, uint16_t status)
{
    const struct config_listener *l = &w->config->listeners[listener];
    struct conn_row r = {.opened_ms = w->now_ms,
                         .listener = listener,
                         .pool = (uint16_t)l->pool,
                         .websocket = l->protocol == CONFIG_PROTOCOL_WEBSOCKET,
                         .reason = (uint16_t)reason,
                         .status = status,
                         .connect_ms = CONN_NO_MS,
                         .handshake_ms = CONN_NO_MS};
    struct conn_event *e = next_event(w);
    address_to_ip(peer, &r.client);
    if (e)
        conn_event_of(e, &r, CONN_REJECTED, w->now_ms);
}

void access_end(struct worker *w)
{
    if (!w->access)
        return;
    for (struct conn *c = w->conns; c; c = c->next) { /* this process alone holds them open */
        conn_reason(c, CLOSE_REASON_shutdown);
        access_add(w, c, c->row.opened ? CONN_ENDED : CONN_REJECTED);
    }
    access_flush(w);
    shm_add(&w->seat->log_dropped_total, w->access->n);
    free(w->access);
    w->access = NULL;
}
