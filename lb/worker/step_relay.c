/* RELAY and DRAIN: bytes go both ways by the same code; frames are followed, not changed. DRAIN is RELAY that
 * looks for a quiet moment to say Close. */
#include "worker/worker_int.h"

/* DESIGN "By us": quiet is no byte from the backend for so long … */
#define QUIET_MS 100u
/* … and after another second the end of any frame will do. */
#define ANY_FRAME_MS (QUIET_MS + 1000u)

/* ---- bytes ---- */

/* Who ended it: whose Close or, without one, whose FIN came first. */
static void first_end(struct conn *c, enum conn_end who)
{
    if (c->row.ended)
        return;
    c->row.ended = 1;
    c->row.first_end = who & 1;
}

/* Counts what `from` said and passes it on; the first `head` bytes (the 101) are no part of the stream. */
static void deliver(struct worker *w, struct conn *c, enum conn_end from, const uint8_t *bytes, size_t n,
                    size_t head)
{
    struct conn_row_side *r = &c->row.side[from];
    size_t pass = n - head;
    if (c->row.websocket && pass) {
        struct ws_frame_seen seen;
        size_t good = ws_frame_feed(&r->frame, bytes + head, pass, &seen);
        pass = good;
        if (seen.messages) {
            r->messages += seen.messages;
            shm_add(from == CLIENT ? &c->cell->messages_in : &c->cell->messages_out, seen.messages);
        }
        if (seen.close_end) {
            r->closed = 1;
            first_end(c, from);
        }
        if (r->frame.verdict != WS_FINE) {
            if (from == BACKEND)
                c->cut = ws_frame_between(&r->frame);
        } else if (from == BACKEND && c->cut_wanted && seen.boundary && !r->closed) {
            pass = seen.boundary;
            c->cut = true;
            r->discarded += good - pass;
        }
    }
    r->bytes += pass;
    r->last_ms = (uint32_t)w->now_ms;
    shm_add(from == CLIENT ? &c->cell->bytes_in : &c->cell->bytes_out, pass);
    if (head + pass)
        flow_write(w, c, !from, bytes, head + pass);
}

static void end_of_stream(struct worker *w, struct conn *c, enum conn_end from, ssize_t how)
{
    struct conn_row_side *r = &c->row.side[from];
    if (!c->row.side[CLIENT].eof && !c->row.side[BACKEND].eof)
        c->row.since_ms = (uint32_t)w->now_ms;
    first_end(c, from);
    r->eof = 1;
    /* A socket whose write has failed answers the read after that with 0 instead of the error. */
    if (how == IO_LOST || r->dead)
        r->reset = 1;
}

static void pump(struct worker *w, struct conn *c, enum conn_end from)
{
    struct side *s = &c->side[from];
    do {
        ssize_t n = io_read(&s->io, w->scratch, conn_read_max(w, c));
        if (n > 0)
            deliver(w, c, from, w->scratch, (size_t)n, 0);
        else if (n != IO_AGAIN)
            end_of_stream(w, c, from, n);
    } while (!c->row.side[from].eof && !c->side[!from].out && !c->cut && io_pending(&s->io));
}

/* Whether we read from it now: not past its end, not when the other side can't take it, not behind a bad
 * frame. */
static bool readable(const struct conn *c, enum conn_end from)
{
    return !c->row.side[from].eof && !c->side[!from].out && c->row.side[from].frame.verdict == WS_FINE;
}

static void flow(struct worker *w, struct conn *c, unsigned events)
{
    for (enum conn_end end = CLIENT; end <= BACKEND; end++)
        if (events & EVENT_WRITE(end))
            flow_flush(w, c, end);
    for (enum conn_end end = CLIENT; end <= BACKEND; end++)
        if (events & EVENT_READ(end) && readable(c, end))
            pump(w, c, end);
}

static void want(struct conn *c)
{
    for (enum conn_end end = CLIENT; end <= BACKEND; end++)
        c->side[end].want = (uint8_t)((readable(c, end) ? EV_READ : 0) | (c->side[end].out ? EV_WRITE : 0));
}

/* ---- time ---- */

static uint64_t since(const struct worker *w, uint32_t then_ms)
{
    return w->now_ms - (uint32_t)((uint32_t)w->now_ms - then_ms);
}

static uint64_t soonest(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The time-outs of the stream itself. */
static uint64_t stream_until(const struct worker *w, const struct conn *c)
{
    const struct config_listener *l = conn_listener(w, c);
    uint64_t until = TIMER_NEVER;
    for (enum conn_end end = CLIENT; end <= BACKEND; end++)
        if (c->side[end].out)
            until = soonest(until, since(w, c->side[end].stalled_ms) + l->stall_timeout_ms);
    if (c->row.side[CLIENT].eof || c->row.side[BACKEND].eof)
        until = soonest(until, since(w, c->row.since_ms) + l->half_close_timeout_ms);
    return until;
}

static bool stream_timed_out(struct worker *w, struct conn *c)
{
    const struct config_listener *l = conn_listener(w, c);
    for (enum conn_end end = CLIENT; end <= BACKEND; end++)
        if (c->side[end].out && w->now_ms >= since(w, c->side[end].stalled_ms) + l->stall_timeout_ms) {
            conn_reason(c, CLOSE_REASON_stall_timeout);
            flow_drop(w, c, end, true); /* its queue will never drain: there is no other end for it */
            return true;
        }
    if ((c->row.side[CLIENT].eof || c->row.side[BACKEND].eof) &&
        w->now_ms >= since(w, c->row.since_ms) + l->half_close_timeout_ms) {
        conn_reason(c, CLOSE_REASON_half_close_timeout);
        return true;
    }
    return false;
}

/* ---- ends ---- */

/* A bad frame ends it: its sender can't be followed any more. The client is told at the end of a frame of the
 * backend's. */
static enum conn_state bad_frame(struct worker *w, struct conn *c, enum conn_end who)
{
    static struct log_limit limit;
    log_limited(&limit, LOG_LEVEL_INFO, "session %016llx: %s sent a bad frame: %s",
                (unsigned long long)c->row.id, who == CLIENT ? "the client" : "the backend",
                ws_verdict_text((enum ws_verdict)c->row.side[who].frame.verdict));
    conn_reason(c, CLOSE_REASON_protocol_error);
    c->row.close_code = 1002;
    if (who == BACKEND)
        return c->cut && !c->row.side[BACKEND].closed ? CONN_CLOSING : CONN_LINGER;
    if (c->row.side[BACKEND].closed || c->row.side[BACKEND].eof)
        return CONN_LINGER;
    if (ws_frame_between(&c->row.side[BACKEND].frame))
        return CONN_CLOSING;
    uint64_t by = w->now_ms + conn_listener(w, c)->close_timeout_ms;
    return conn_ask_end(c, 1002, CLOSE_REASON_protocol_error, w->now_ms, by) ? CONN_DRAIN : CONN_LINGER;
}

/* DESIGN "A lost backend": it ends between two frames when nobody has sent a Close or ended before. */
static bool backend_is_lost(const struct worker *w, const struct conn *c)
{
    const struct conn_row_side *b = &c->row.side[BACKEND], *client = &c->row.side[CLIENT];
    return c->row.websocket && b->eof && !b->closed && !client->closed && !client->eof &&
           ws_frame_between(&b->frame) && conn_pool(w, c)->lost_close_code;
}

/* One direction is done when its end has been passed on, or nobody is left to pass it on to. */
static bool direction_done(const struct conn *c, enum conn_end from)
{
    const struct conn_row_side *to = &c->row.side[!from];
    return to->dead || (c->row.side[from].eof && to->fin_sent);
}

/* What the ends seen so far make of the connection; `stay` when it goes on. */
static enum conn_state ends(struct worker *w, struct conn *c, enum conn_state stay)
{
    struct conn_row_side *client = &c->row.side[CLIENT], *b = &c->row.side[BACKEND];
    if (c->broken)
        return CONN_CLOSED;
    if (b->frame.verdict != WS_FINE)
        return bad_frame(w, c, BACKEND);
    if (client->frame.verdict != WS_FINE && stay == CONN_RELAY)
        return bad_frame(w, c, CLIENT);
    if (!client->eof && !b->eof)
        return stay;
    if (client->reset) {
        conn_reason(c, CLOSE_REASON_client_reset);
        return CONN_RESET;
    }
    if (backend_is_lost(w, c)) {
        conn_reason(c, CLOSE_REASON_backend_lost);
        return CONN_LOST;
    }
    bool mid_frame = c->row.websocket && b->eof && !ws_frame_between(&b->frame);
    if (mid_frame)
        conn_reason(c, CLOSE_REASON_cut_mid_frame);
    if (b->reset) {
        /* The last: lost_close_code is off, or the client had ended its side. */
        if (mid_frame || !c->row.websocket || (!b->closed && !client->closed)) {
            conn_reason(c, CLOSE_REASON_backend);
            return CONN_RESET;
        }
        b->dead = 1; /* after a Close its RST is but an impolite end: the client gets a FIN */
        buffer_free(&c->side[BACKEND].out);
    }
    bool both = client->eof && b->eof && !c->side[CLIENT].out && !c->side[BACKEND].out;
    for (enum conn_end from = CLIENT; from <= BACKEND && !both; from++)
        if (c->row.side[from].eof)
            flow_finish(c, !from);
    if (!both && (!direction_done(c, CLIENT) || !direction_done(c, BACKEND)))
        return stay;
    /* With both ended and nothing waiting the close itself sends the FINs that are missing. */
    conn_reason(c, c->row.first_end == CLIENT ? CLOSE_REASON_client : CLOSE_REASON_backend);
    return CONN_CLOSED;
}

/* ---- the steps ---- */

static void open_tunnel(struct worker *w, struct conn *c)
{
    struct handshake *h = c->hs;
    struct shm_listener_cell *cell = shm_listener_cell(&w->shm, w->seat, c->row.listener);
    c->row.opened = 1;
    c->row.relay_ms = w->now_ms;
    c->row.side[CLIENT].last_ms = c->row.side[BACKEND].last_ms = (uint32_t)w->now_ms;
    shm_add(&cell->open, 1);
    shm_add(&cell->opened_total, 1);
    shm_add(&c->cell->handshakes_total, 1);
    c->hs = NULL;
    if (h->answer)
        deliver(w, c, BACKEND, buffer_bytes(h->answer), buffer_len(h->answer), h->answer_len);
    size_t behind = buffer_len(h->in) - h->behind;
    if (behind)
        deliver(w, c, CLIENT, buffer_bytes(h->in) + h->behind, behind, 0);
    c->hs = h;
    conn_handshake_free(w, c);
    if (w->leaving)
        leave_ask(w, c, w->now_ms);
}

enum conn_state step_relay(struct worker *w, struct conn *c, unsigned events)
{
    if (events & EVENT_ENTER)
        open_tunnel(w, c);
    flow(w, c, events);
    enum conn_state next = ends(w, c, CONN_RELAY);
    if (next != CONN_RELAY)
        return next;
    if (events & EVENT_TIME) {
        if (stream_timed_out(w, c))
            return CONN_LINGER;
        if (c->ending && w->now_ms >= c->ending->at_ms)
            return CONN_DRAIN;
    }
    want(c);
    uint64_t until = stream_until(w, c);
    conn_until(c, c->ending ? soonest(until, c->ending->at_ms) : until);
    return CONN_RELAY;
}

/* Whether a Close may be said now; sets *until to when it is worth another look. */
static bool may_close(struct worker *w, struct conn *c, uint64_t *until)
{
    struct conn_row_side *client = &c->row.side[CLIENT], *b = &c->row.side[BACKEND];
    if (c->cut)
        return true;
    if (client->closed || b->closed || b->eof)
        return false; /* they are ending it themselves */
    bool urgent = client->frame.verdict != WS_FINE;
    uint64_t any_frame = c->ending->at_ms + ANY_FRAME_MS, quiet = since(w, b->last_ms) + QUIET_MS;
    if (urgent || w->now_ms >= any_frame) {
        c->cut_wanted = true;
        return ws_frame_between(&b->frame);
    }
    bool between_messages = ws_frame_quiet(&b->frame) && ws_frame_quiet(&client->frame);
    if (between_messages && w->now_ms >= quiet)
        return true;
    *until = soonest(*until, between_messages ? soonest(quiet, any_frame) : any_frame);
    return false;
}

enum conn_state step_drain(struct worker *w, struct conn *c, unsigned events)
{
    if (events & EVENT_ENTER) {
        conn_reason(c, (enum close_reason)c->ending->reason);
        c->ending->at_ms = w->now_ms;
        c->row.close_code = c->ending->code;
        if (!c->row.websocket)
            return CONN_LINGER; /* no Close can be said: a FIN each way */
    }
    flow(w, c, events);
    enum conn_state next = ends(w, c, CONN_DRAIN);
    if (next != CONN_DRAIN)
        return next;
    if (events & EVENT_TIME && stream_timed_out(w, c))
        return CONN_LINGER;
    uint64_t until = soonest(stream_until(w, c), c->ending->deadline_ms);
    if (may_close(w, c, &until))
        return CONN_CLOSING;
    if (w->now_ms >= c->ending->deadline_ms)
        return CONN_LINGER;
    want(c);
    conn_until(c, until);
    return CONN_DRAIN;
}
