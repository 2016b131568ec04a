/* Bytes towards one side: written through, and what the socket doesn't take waits. Who calls stops reading
 * the other side meanwhile. */
#include "worker/worker_int.h"

static int lost(struct conn *c, enum conn_end to)
{
    c->row.side[to].dead = 1;
    buffer_free(&c->side[to].out);
    return IO_LOST;
}

int flow_flush(struct worker *w, struct conn *c, enum conn_end to)
{
    struct side *s = &c->side[to];
    if (!s->out)
        return c->row.side[to].dead ? IO_LOST : 0;
    ssize_t n = io_write(&s->io, buffer_bytes(s->out), buffer_len(s->out));
    if (n == IO_AGAIN)
        return 0;
    if (n == IO_LOST)
        return lost(c, to);
    s->stalled_ms = (uint32_t)w->now_ms;
    buffer_consume(&s->out, (size_t)n);
    return 0;
}

int flow_write(struct worker *w, struct conn *c, enum conn_end to, const void *bytes, size_t n)
{
    struct side *s = &c->side[to];
    if (c->row.side[to].dead || s->io.fd < 0)
        return IO_LOST;
    size_t done = 0;
    if (!s->out && n) {
        ssize_t k = io_write(&s->io, bytes, n);
        if (k == IO_LOST)
            return lost(c, to);
        if (k > 0)
            done = (size_t)k;
        s->stalled_ms = (uint32_t)w->now_ms;
    }
    if (done == n)
        return 0;
    if (!buffer_append(&s->out, (const uint8_t *)bytes + done, n - done)) {
        c->broken = true;
        conn_reason(c, CLOSE_REASON_no_memory_relay);
        return lost(c, to);
    }
    return 0;
}

void flow_finish(struct conn *c, enum conn_end to)
{
    struct conn_row_side *r = &c->row.side[to];
    if (r->fin_sent || r->dead || c->side[to].out || c->side[to].io.fd < 0)
        return;
    r->fin_sent = 1;
    if (!io_finish(&c->side[to].io))
        r->dead = 1;
}

void flow_drop(struct worker *w, struct conn *c, enum conn_end end, bool by_reset)
{
    struct side *s = &c->side[end];
    ev_io_stop(w->loop, &s->watcher);
    if (s->io.fd >= 0 && by_reset)
        io_abort(&s->io);
    else
        io_close(&s->io);
    buffer_free(&s->out);
    s->want = 0;
    if (end == BACKEND)
        conn_release_place(w, c);
}
