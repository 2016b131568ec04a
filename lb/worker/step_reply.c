/* REPLY and ANSWER: the head goes to the backend, its answer is read strictly. Only a 101 with the right
 * Accept makes the tunnel; any other valid answer goes to the client as it is, and the connection is never a
 * tunnel. */
#include "proto/http_response.h"
#include "worker/worker_int.h"

/* 1xx answers before the final one; more is a fault. */
#define INTERIM_MAX 16u

static enum conn_state bad_answer(struct worker *w, struct conn *c, const char *why)
{
    static struct log_limit limit;
    log_limited(&limit, LOG_LEVEL_WARNING, "backend %s: invalid answer: %s",
                shm_backend(&w->shm, shm_id_slot(c->row.backend_id))->name, why);
    shm_add(&c->cell->failures, 1);
    return conn_refuse(w, c, 502, "the backend's answer is invalid", CLOSE_REASON_backend_answer);
}

/* The head in `answer` is whole. CONN_REPLY: it was an interim one. */
static enum conn_state take_answer(struct worker *w, struct conn *c, size_t len)
{
    struct handshake *h = c->hs;
    struct http_response a;
    const char *why = NULL;
    const char *bytes = (const char *)buffer_bytes(h->answer);
    if (!http_response_parse(&a, bytes, len, &why))
        return bad_answer(w, c, why);
    if (a.status == 101) {
        if (!http_response_accepts(&a, h->accept, &why))
            return bad_answer(w, c, why);
        c->row.status = 101;
        shm_add(&c->cell->answers[SHM_CODE_101], 1);
        h->answer_len = len;
        return CONN_RELAY;
    }
    if (a.status < 200) { /* RFC 9110 section 15.2: a proxy passes them on */
        if (++h->n_interim > INTERIM_MAX)
            return bad_answer(w, c, "too many interim answers");
        if (flow_write(w, c, CLIENT, bytes, len) == IO_LOST) {
            conn_reason(c, CLOSE_REASON_client_gone);
            return CONN_CLOSED;
        }
        buffer_consume(&h->answer, len);
        h->answer_scan = (struct http_scan){0};
        return CONN_REPLY;
    }
    c->row.status = (uint16_t)a.status;
    conn_reason(c, CLOSE_REASON_backend_refused);
    shm_add(&c->cell->answers[shm_code(a.status)], 1);
    http_body_init(&h->body, a.body, a.body_len);
    h->answer_len = len;
    return CONN_ANSWER;
}

/* Looks for the end of the head in what has come. */
static enum conn_state read_heads(struct worker *w, struct conn *c)
{
    struct handshake *h = c->hs;
    while (buffer_len(h->answer)) {
        size_t start = 0, len = 0;
        const char *why = NULL;
        switch (http_scan(&h->answer_scan, (const char *)buffer_bytes(h->answer), buffer_len(h->answer),
                          conn_listener(w, c)->head_max_bytes, false, &start, &len, &why)) {
        case HTTP_MORE:
            return CONN_REPLY;
        case HTTP_TOO_LARGE:
            return bad_answer(w, c, "its head is larger than head_max");
        case HTTP_BAD:
            return bad_answer(w, c, why);
        case HTTP_DONE:
            break;
        }
        enum conn_state next = take_answer(w, c, len);
        if (next != CONN_REPLY)
            return next;
    }
    return CONN_REPLY;
}

enum conn_state step_reply(struct worker *w, struct conn *c, unsigned events)
{
    struct handshake *h = c->hs;
    struct side *b = &c->side[BACKEND];
    if (events & EVENT_ENTER) {
        uint64_t until = w->now_ms + conn_pool(w, c)->answer_timeout_ms;
        conn_until(c, until < h->until_ms ? until : h->until_ms);
        b->out = h->head;
        b->stalled_ms = (uint32_t)w->now_ms;
        h->head = NULL;
        if (b->out)
            events |= EVENT_BACKEND_WRITE;
    }
    if (!handshake_client_stays(w, c, events))
        return CONN_CLOSED;
    if (events & EVENT_TIME) {
        shm_add(&c->cell->failures, 1);
        return w->now_ms >= h->until_ms
                   ? conn_refuse(w, c, 504, "no backend answered in time", CLOSE_REASON_establish_timeout)
                   : conn_refuse(w, c, 504, "the backend did not answer in time",
                                 CLOSE_REASON_answer_timeout);
    }
    if (events & EVENT_BACKEND_WRITE)
        flow_flush(w, c, BACKEND); /* when it is lost, reading tells: it may have answered before */
    if (events & EVENT_CLIENT_WRITE)
        flow_flush(w, c, CLIENT);
    enum conn_state next = CONN_REPLY;
    if (events & EVENT_BACKEND_READ) {
        ssize_t n = io_read(&b->io, w->scratch, conn_read_max(w, c));
        if (n == 0 || n == IO_LOST)
            return bad_answer(w, c,
                              n == 0 ? "it closed before its answer was whole"
                                     : "it reset before its answer was whole");
        if (n > 0) {
            if (!buffer_append(&h->answer, w->scratch, (size_t)n))
                return conn_refuse(w, c, 503, "out of memory", CLOSE_REASON_no_memory);
            next = read_heads(w, c);
        }
    }
    b->want = (uint8_t)(EV_READ | (b->out ? EV_WRITE : 0));
    c->side[CLIENT].want = (uint8_t)(c->side[CLIENT].want | (c->side[CLIENT].out ? EV_WRITE : 0));
    return next;
}

/* Passes on n bytes of the framed body; false: nothing more will come. */
static bool pass_body(struct worker *w, struct conn *c, const uint8_t *bytes, size_t n)
{
    struct http_body *body = &c->hs->body;
    size_t mine = http_body_feed(body, (const char *)bytes, n);
    if (mine && flow_write(w, c, CLIENT, bytes, mine) == IO_LOST)
        return false;
    return !body->done && !body->bad;
}

enum conn_state step_answer(struct worker *w, struct conn *c, unsigned events)
{
    struct handshake *h = c->hs;
    struct side *client = &c->side[CLIENT], *b = &c->side[BACKEND];
    if (events & EVENT_ENTER) {
        const uint8_t *bytes = buffer_bytes(h->answer);
        size_t len = buffer_len(h->answer);
        if (flow_write(w, c, CLIENT, bytes, h->answer_len) == IO_LOST)
            return CONN_CLOSED;
        bool more = pass_body(w, c, bytes + h->answer_len, len - h->answer_len);
        buffer_free(&h->answer);
        if (!more)
            return CONN_LINGER;
    }
    if (events & EVENT_TIME)
        return CONN_LINGER;
    if (events & (EVENT_ENTER | EVENT_BACKEND_READ | EVENT_CLIENT_WRITE)) /* it goes on */
        conn_until(c, w->now_ms + conn_listener(w, c)->stall_timeout_ms);
    if (!handshake_client_stays(w, c, events))
        return CONN_CLOSED;
    if (events & EVENT_CLIENT_WRITE && flow_flush(w, c, CLIENT) == IO_LOST)
        return CONN_CLOSED;
    if (events & EVENT_BACKEND_READ && !client->out) {
        ssize_t n = io_read(&b->io, w->scratch, conn_read_max(w, c));
        if (n == 0 || n == IO_LOST)
            return CONN_LINGER; /* the end, or a body that was cut: the client sees it as the backend left it
                                 */
        if (n > 0 && !pass_body(w, c, w->scratch, (size_t)n))
            return CONN_LINGER;
    }
    b->want = client->out ? 0 : EV_READ;
    client->want = (uint8_t)(client->want | (client->out ? EV_WRITE : 0));
    return CONN_ANSWER;
}
