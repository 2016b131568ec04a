#include "director/sessions.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "director/director_int.h"
#include "director/inquiry.h"
#include "director/lookup.h"
#include "director/session_row.h"

#define LIMIT_DEFAULT 100u
#define LIMIT_MAX     1000000u

struct session_query {
    struct inquiry inquiry;
    struct session_query *next;
    struct director *d;
    struct command *command; /* NULL: answered, or its client has left */
    struct msg_sessions ask;
    uint32_t rows;
};

void sessions_init(struct session_queries *s)
{
    s->first = NULL;
    s->tail = &s->first;
}

static void settle(struct session_query *q)
{
    struct command *c = q->command;

    q->command = NULL;
    if (c)
        command_done(c);
}

static void take_row(struct session_query *q, uint32_t seat, const struct conn_row *row)
{
    struct answer *a = &q->command->answer;

    if (q->ask.id == 0)
        session_row_list(a, q->d, seat, row);
    else
        session_row_whole(a, q->d, seat, row);
    q->rows++;
}

static void on_rows(struct inquiry *inquiry, uint32_t seat, const struct msg *m)
{
    struct session_query *q = (struct session_query *)inquiry;
    const struct msg_rows *rows = msg_body(m);
    size_t room = m->bytes - sizeof *rows;

    if (rows->row_bytes != sizeof(struct conn_row) || rows->n > room / sizeof(struct conn_row)) {
        static struct log_limit limit;

        log_limited(&limit, LOG_LEVEL_ERROR, "worker %" PRIu32 " has sent rows of another shape", seat);
        return;
    }
    for (uint32_t i = 0; i < rows->n && q->command && q->rows < q->ask.limit; i++) {
        struct conn_row row;

        memcpy(&row, (const char *)(rows + 1) + i * sizeof row, sizeof row);
        take_row(q, seat, &row);
        if (q->command->answer.failed) /* too large: it won't get smaller */
            settle(q);
    }
    if (q->command && q->rows == q->ask.limit)
        settle(q);
}

/* All that a worker has to say has been said in rows. One that can't say it is as good as silent. */
static void on_done(struct inquiry *inquiry, bool ok, const char *text, size_t len)
{
    struct session_query *q = (struct session_query *)inquiry;

    if (ok)
        return;
    inquiry->n_missing++;
    if (q->command && q->ask.id == 0)
        answer_note(&q->command->answer, "a worker could not answer: %.*s", (int)(len < 128 ? len : 128),
                    text);
}

static void run_first(struct session_queries *s);

static void on_finished(struct inquiry *inquiry)
{
    struct session_query *q = (struct session_query *)inquiry;
    struct session_queries *s = &q->d->sessions;
    struct answer *a = q->command ? &q->command->answer : NULL;

    if (a && q->ask.id == 0) {
        for (uint32_t seat = 0; seat < q->d->shm.n_seats; seat++) {
            if (inquiry_misses(&q->inquiry, seat))
                answer_note(a, "worker %" PRIu32 " did not answer", seat);
        }
    } else if (a && q->inquiry.n_missing > 0) {
        answer_error(a, "no such session in the workers that answered; %" PRIu32 " didn't",
                     q->inquiry.n_missing);
    } else if (a) {
        answer_error(a, "no such session");
    }
    s->first = q->next;
    if (!s->first)
        s->tail = &s->first;
    settle(q);
    free(q);
    run_first(s);
}

static const struct inquiry_ops ops = {.rows = on_rows, .done = on_done, .finished = on_finished};

static void run_first(struct session_queries *s)
{
    struct session_query *q = s->first;

    if (!q || q->inquiry.d) /* it runs already: settling the one before it may have begun it */
        return;
    inquiry_init(&q->inquiry, q->d, &ops, ASK_SILENT_MS);
    inquiry_ask_workers(&q->inquiry, MSG_SESSIONS, &q->ask, sizeof q->ask);
    inquiry_asked(&q->inquiry);
}

static void cancel(struct command *c)
{
    struct session_query *q = c->op;
    struct session_queries *s = &q->d->sessions;
    struct session_query **at = &s->first;

    q->command = NULL;
    if (q->inquiry.d)
        return; /* it runs: the workers' answers are taken to their end */
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    if (!q->next)
        s->tail = at;
    free(q);
}

static void enqueue(struct command *c, const struct msg_sessions *ask)
{
    struct session_queries *s = &c->d->sessions;
    struct session_query *q = calloc(1, sizeof *q);

    if (!q) {
        answer_error(&c->answer, "out of memory");
        return;
    }
    q->d = c->d;
    q->command = c;
    q->ask = *ask;
    c->op = q;
    c->cancel = cancel;
    *s->tail = q;
    s->tail = &q->next;
    run_first(s);
}

void sessions_show(struct command *c)
{
    struct msg_sessions ask = {.pool = CONN_NO_SLOT, .limit = LIMIT_DEFAULT, .credit = ASK_CREDIT};
    const char *pool = c->arg[0], *backend = c->arg[1], *source = c->arg[2], *limit = c->arg[3];
    uint32_t slot;
    uint64_t n;
    struct cidr net;
    char why[128];

    if (pool && !lookup_pool(c, pool, &ask.pool))
        return;
    if (backend && !lookup_backend(c, backend, &slot, &ask.backend_id))
        return;
    if (source) {
        if (!cidr_parse(source, &net, why, sizeof why) || net.bits != (net.family == 4 ? 32 : 128)) {
            answer_error(&c->answer, "a source is an IP address without a port, not \"%.64s\"", source);
            return;
        }
        ask.source.family = net.family;
        memcpy(ask.source.ip, net.ip, sizeof ask.source.ip);
    }
    if (limit) {
        if (!units_parse_u64(limit, &n) || n == 0 || n > LIMIT_MAX) {
            answer_error(&c->answer, "a limit is a number from 1 to %u, not \"%.32s\"", LIMIT_MAX, limit);
            return;
        }
        ask.limit = (uint32_t)n;
    }
    answer_list(&c->answer, session_row_columns);
    enqueue(c, &ask);
}

void sessions_show_one(struct command *c)
{
    struct msg_sessions ask = {.pool = CONN_NO_SLOT, .limit = 1, .credit = ASK_CREDIT};

    if (!lookup_session(c, c->arg[0], &ask.id))
        return;
    answer_object(&c->answer);
    enqueue(c, &ask);
}
