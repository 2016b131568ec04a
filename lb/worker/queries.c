/* What the director asks: which connections there are, and to close one. Rows go out as credit allows, so a
 * slow director costs nothing. */
#include <string.h>

#include "worker/worker_int.h"

#define ROWS_A_MESSAGE                                                                                       \
    ((MSG_BYTES_MAX - sizeof(struct msg) - sizeof(struct msg_rows)) / sizeof(struct conn_row))

static void done(struct worker *w, uint64_t serial, bool ok, const char *text)
{
    struct msg_done d = {.ok = ok, .text_len = (uint32_t)strlen(text)};
    channel_io_send2(&w->director, MSG_DONE, serial, &d, sizeof d, text, d.text_len, NULL, 0);
}

static bool matches(const struct msg_sessions *ask, const struct conn_row *r)
{
    if (ask->id)
        return r->id == ask->id;
    if (ask->backend_id && (!r->placed || r->backend_id != ask->backend_id))
        return false;
    if (ask->pool != CONN_NO_SLOT && r->pool != ask->pool)
        return false;
    return !ask->source.family || (r->client.family == ask->source.family &&
                                   !memcmp(r->client.ip, ask->source.ip, sizeof r->client.ip));
}

static void go_on(struct worker *w, struct query *q)
{
    struct {
        struct msg_rows head;
        struct conn_row rows[ROWS_A_MESSAGE];
    } body;
    while (q->active && q->credit && q->at && q->sent < q->ask.limit) {
        uint32_t n = 0;
        for (; q->at && n < ROWS_A_MESSAGE && q->sent < q->ask.limit; q->at = q->at->next)
            if (matches(&q->ask, &q->at->row)) {
                body.rows[n++] = q->at->row;
                q->sent++;
            }
        if (!n)
            break;
        body.head = (struct msg_rows){.n = n, .row_bytes = sizeof(struct conn_row)};
        channel_io_send2(&w->director, MSG_ROWS, q->serial, &body.head, sizeof body.head, body.rows,
                         n * sizeof(struct conn_row), NULL, 0);
        q->credit--;
    }
    if (!q->at || q->sent >= q->ask.limit) {
        q->active = false;
        done(w, q->serial, true, "");
    }
}

static void ask(struct worker *w, const struct msg *m)
{
    for (unsigned i = 0; i < WORKER_QUERIES_MAX; i++) {
        struct query *q = &w->queries[i];
        if (q->active)
            continue;
        *q = (struct query){.serial = m->serial, .at = w->conns, .active = true};
        memcpy(&q->ask, msg_body(m), sizeof q->ask);
        q->credit = q->ask.credit;
        go_on(w, q);
        return;
    }
    done(w, m->serial, false, "too many questions at a time");
}

static void credit(struct worker *w, const struct msg *m)
{
    const struct msg_credit *more = msg_body(m);
    for (unsigned i = 0; i < WORKER_QUERIES_MAX; i++) {
        struct query *q = &w->queries[i];
        if (!q->active || q->serial != m->serial)
            continue;
        q->credit += more->n < UINT32_MAX - q->credit ? more->n : 0;
        go_on(w, q);
    }
}

static void close_session(struct worker *w, const struct msg *m)
{
    const struct msg_close_session *ask_close = msg_body(m);
    struct conn *c = w->conns;
    while (c && c->row.id != ask_close->id)
        c = c->next;
    if (!c) {
        done(w, m->serial, false, "no such session");
        return;
    }
    if (!c->row.opened) {
        conn_kill(w, c, CLOSE_REASON_admin);
    } else {
        uint16_t code = (uint16_t)(ask_close->code ? ask_close->code : conn_pool(w, c)->close_code);
        uint64_t by = w->now_ms + conn_listener(w, c)->close_timeout_ms;
        if (!conn_ask_end(c, code, CLOSE_REASON_admin, w->now_ms, by)) {
            done(w, m->serial, false, "out of memory");
            return;
        }
        if (c->row.state == CONN_RELAY)
            conn_drive(w, c, EVENT_TIME);
    }
    done(w, m->serial, true, "");
}

void query_message(struct worker *w, const struct msg *m)
{
    switch (m->type) {
    case MSG_SESSIONS:
        ask(w, m);
        break;
    case MSG_CREDIT:
        credit(w, m);
        break;
    case MSG_CLOSE_SESSION:
        close_session(w, m);
        break;
    default:
        log_warning("the director sent a %s, which is not for a worker", msg_type_name(m->type));
    }
}

void query_forget(struct worker *w, const struct conn *c)
{
    for (unsigned i = 0; i < WORKER_QUERIES_MAX; i++)
        if (w->queries[i].active && w->queries[i].at == c)
            w->queries[i].at = c->next;
}

void query_drop_all(struct worker *w)
{
    for (unsigned i = 0; i < WORKER_QUERIES_MAX; i++)
        w->queries[i].active = false;
}
