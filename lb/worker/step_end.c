/* LOST, CLOSING, RESET and LINGER: how a connection ends, told to both sides as kindly as each case allows.
 */
#include <string.h>

#include "worker/worker_int.h"

/* Discarded at most from a client that has been sent its end. */
#define LINGER_BYTES_MAX (1u << 20)
/* How often the kernel's queue is looked at before an RST would throw it away. */
#define UNSENT_POLL_MS 20u

static const char *close_text(const struct conn *c)
{
    switch (c->row.reason) {
    case CLOSE_REASON_protocol_error:
        return ws_verdict_text((enum ws_verdict)(c->row.side[CLIENT].frame.verdict != WS_FINE
                                                     ? c->row.side[CLIENT].frame.verdict
                                                     : c->row.side[BACKEND].frame.verdict));
    case CLOSE_REASON_backend_lost:
        return "backend lost";
    case CLOSE_REASON_shutdown:
        return "restarting";
    default:
        return "";
    }
}

/* Reads and throws away; false: that side has ended. */
static bool discard(struct worker *w, struct conn *c, enum conn_end from)
{
    ssize_t n = io_read(&c->side[from].io, w->scratch, sizeof w->scratch);
    if (n > 0) {
        c->row.side[from].discarded += (uint64_t)n;
        return true;
    }
    return n == IO_AGAIN;
}

/* ---- LOST ---- */

/* Even the first is told a moment later, not in the same breath as the backend's last bytes: a client that
 * reads both at once would have to handle its last message and the end together. */
#define LOST_BREATH_MS 50u

enum conn_state step_lost(struct worker *w, struct conn *c, unsigned events)
{
    struct side *client = &c->side[CLIENT];
    if (events & EVENT_ENTER) {
        flow_drop(w, c, BACKEND, false);
        c->row.close_code = (uint16_t)conn_pool(w, c)->lost_close_code;
        conn_until(c, candidates_lost_turn(&w->candidates, c->row.pool, w->now_ms + LOST_BREATH_MS));
    }
    if (events & EVENT_CLIENT_WRITE && flow_flush(w, c, CLIENT) == IO_LOST)
        return CONN_CLOSED;
    if (w->now_ms >= c->until_ms)
        return CONN_CLOSING;
    client->want = client->out ? EV_WRITE : 0; /* unread meanwhile */
    return CONN_LOST;
}

/* ---- CLOSING ---- */

static void say_close(struct worker *w, struct conn *c)
{
    uint8_t frame[WS_CLOSE_MAX];
    size_t n = ws_frame_write_close(frame, c->row.close_code, close_text(c), NULL);
    c->row.side[CLIENT].told = 1;
    flow_write(w, c, CLIENT, frame, n);
}

/* What the client says goes on until its own Close, and that too. */
static enum conn_state hear_client(struct worker *w, struct conn *c)
{
    struct conn_row_side *r = &c->row.side[CLIENT];
    ssize_t n = io_read(&c->side[CLIENT].io, w->scratch, conn_read_max(w, c));
    if (n == IO_AGAIN)
        return CONN_CLOSING;
    if (n <= 0) {
        r->eof = 1;
        if (n == 0 && !r->dead)
            return CONN_LINGER;
        r->reset = 1;
        return conn_is_open(c, BACKEND) ? CONN_RESET : CONN_CLOSED;
    }
    struct ws_frame_seen seen;
    size_t good = ws_frame_feed(&r->frame, w->scratch, (size_t)n, &seen);
    size_t pass = seen.close_end ? seen.close_end : good;
    r->bytes += pass;
    r->messages += seen.messages;
    if (c->cell) {
        shm_add(&c->cell->bytes_in, pass);
        shm_add(&c->cell->messages_in, seen.messages);
    }
    if (conn_is_open(c, BACKEND))
        flow_write(w, c, BACKEND, w->scratch, pass);
    if (seen.close_end)
        r->closed = 1;
    return r->closed || r->frame.verdict != WS_FINE ? CONN_LINGER : CONN_CLOSING;
}

enum conn_state step_closing(struct worker *w, struct conn *c, unsigned events)
{
    struct conn_row_side *r = &c->row.side[CLIENT];
    if (events & EVENT_ENTER) {
        conn_until(c, w->now_ms + conn_listener(w, c)->close_timeout_ms);
        say_close(w, c);
        if (r->eof || r->frame.verdict != WS_FINE)
            return CONN_LINGER;
    }
    if (events & EVENT_TIME && w->now_ms >= c->until_ms) {
        uint64_t timeout = conn_listener(w, c)->close_timeout_ms;
        uint32_t waited = (uint32_t)w->now_ms - c->side[CLIENT].stalled_ms;
        if (c->side[CLIENT].out && waited < timeout) {
            /* It still takes what was said before the Close: its time begins when it has that. */
            conn_until(c, w->now_ms + timeout - waited);
        } else {
            if (c->side[CLIENT].out)
                flow_drop(w, c, CLIENT, true);
            return CONN_LINGER;
        }
    }
    for (enum conn_end end = CLIENT; end <= BACKEND; end++)
        if (events & EVENT_WRITE(end))
            flow_flush(w, c, end);
    if (events & EVENT_BACKEND_READ && !discard(w, c, BACKEND)) {
        c->row.side[BACKEND].eof = 1;
        flow_drop(w, c, BACKEND, false);
    }
    if (events & EVENT_CLIENT_READ && !c->side[BACKEND].out) {
        enum conn_state next = hear_client(w, c);
        if (next != CONN_CLOSING)
            return next;
    }
    c->side[CLIENT].want =
        (uint8_t)((c->side[BACKEND].out ? 0 : EV_READ) | (c->side[CLIENT].out ? EV_WRITE : 0));
    c->side[BACKEND].want = (uint8_t)(EV_READ | (c->side[BACKEND].out ? EV_WRITE : 0));
    return CONN_CLOSING;
}

/* ---- RESET ---- */

enum conn_state step_reset(struct worker *w, struct conn *c, unsigned events)
{
    enum conn_end to = c->row.side[CLIENT].reset ? BACKEND : CLIENT;
    uint64_t timeout = conn_listener(w, c)->close_timeout_ms;
    if (events & EVENT_ENTER) {
        flow_drop(w, c, !to, false);
        c->row.since_ms = (uint32_t)w->now_ms;
        if (!conn_is_open(c, to))
            return CONN_CLOSED;
    }
    uint32_t waited = (uint32_t)w->now_ms - c->row.since_ms;
    bool lost = events & EVENT_WRITE(to) && flow_flush(w, c, to) == IO_LOST;
    /* A linger-0 close throws away what the kernel still holds, so first that has to be out. */
    if (lost || waited >= timeout || (!c->side[to].out && !io_unsent(&c->side[to].io))) {
        flow_drop(w, c, to, true);
        return CONN_CLOSED;
    }
    c->side[to].want = c->side[to].out ? EV_WRITE : 0;
    uint64_t by = w->now_ms + timeout - waited, poll = w->now_ms + UNSENT_POLL_MS;
    conn_until(c, !c->side[to].out && poll < by ? poll : by);
    return CONN_RESET;
}

/* ---- LINGER ---- */

/* The backend's end of a tunnel that we end: a Close where one can be put between two frames, then a FIN. */
static void end_backend(struct worker *w, struct conn *c)
{
    struct conn_row_side *client = &c->row.side[CLIENT], *b = &c->row.side[BACKEND];
    if (!conn_is_open(c, BACKEND))
        return;
    if (!c->row.opened) {
        flow_drop(w, c, BACKEND, false);
        return;
    }
    if (!c->row.websocket || client->closed || b->told || b->eof || b->dead ||
        !ws_frame_between(&client->frame))
        return;
    uint8_t frame[WS_CLOSE_MAX], mask[4];
    uint32_t random = (uint32_t)rng_next(&w->rng);
    memcpy(mask, &random, sizeof mask);
    /* 1001: the client has gone, or is made to go. */
    uint16_t code = c->row.reason == CLOSE_REASON_protocol_error ? 1002 : 1001;
    b->told = 1;
    flow_write(w, c, BACKEND, frame, ws_frame_write_close(frame, code, "", mask));
}

/* Writes what is left for one side, then its FIN, and reads until its own. */
static void linger(struct worker *w, struct conn *c, enum conn_end end, unsigned events)
{
    struct conn_row_side *r = &c->row.side[end];
    struct side *s = &c->side[end];
    if (!conn_is_open(c, end))
        return;
    if (events & EVENT_WRITE(end))
        flow_flush(w, c, end);
    flow_finish(c, end);
    if (events & EVENT_READ(end) && !r->eof && !discard(w, c, end))
        r->eof = 1;
    if (r->dead || (r->eof && r->fin_sent) || (end == CLIENT && r->discarded > LINGER_BYTES_MAX)) {
        flow_drop(w, c, end, false);
        return;
    }
    s->want = (uint8_t)((r->eof ? 0 : EV_READ) | (s->out ? EV_WRITE : 0));
}

enum conn_state step_linger(struct worker *w, struct conn *c, unsigned events)
{
    if (events & EVENT_ENTER) {
        conn_handshake_free(w, c);
        conn_until(c, w->now_ms + conn_listener(w, c)->close_timeout_ms);
        end_backend(w, c);
        events |= EVENT_CLIENT_WRITE | EVENT_BACKEND_WRITE;
    }
    if (events & EVENT_TIME && w->now_ms >= c->until_ms)
        return CONN_CLOSED;
    linger(w, c, CLIENT, events);
    linger(w, c, BACKEND, events);
    return conn_is_open(c, CLIENT) || conn_is_open(c, BACKEND) ? CONN_LINGER : CONN_CLOSED;
}
