#include "echo.h"

void echo_init(struct echo *e)
{
    *e = (struct echo){0};
    ws_endpoint_init(&e->in, true);
}

static bool is_echoed(const struct echo *e)
{
    return !e->silent && e->in.frame.opcode != WS_CLOSE && e->in.frame.opcode != WS_PONG;
}

static size_t piece_out(struct echo *e, const struct ws_endpoint_piece *p, uint8_t *out)
{
    const struct ws_frame *f = &e->in.frame;
    bool ping = f->opcode == WS_PING;
    size_t n = 0;

    if (!is_echoed(e))
        return 0;
    if (p->head) {
        n = ws_endpoint_header(out, ping ? 0x80 | WS_PONG : e->in.first, f->length, NULL);
        e->mid_frame = true;
    }
    if (p->n > 0) {
        ws_endpoint_mask(out + n, p->payload, p->n, f->mask, p->at);
        if (e->corrupt && !ping && p->at == 0)
            out[n] ^= 1;
        n += p->n;
    }
    if (p->end)
        e->mid_frame = false;
    return n;
}

static void count(struct echo *e, const struct ws_endpoint_piece *p, struct stats *stats)
{
    const struct ws_frame *f = &e->in.frame;

    if (!is_echoed(e))
        return;
    if (f->opcode == WS_PING) {
        stats->pings += p->end;
        return;
    }
    stats->bytes += p->n;
    if (p->end && f->fin) {
        stats->messages++;
        e->messages++;
    }
}

enum echo_verdict echo_feed(struct echo *e, const uint8_t *bytes, size_t n, uint64_t limit, size_t *taken,
                            uint8_t *out, size_t *out_len, struct stats *stats, const char **why)
{
    *taken = *out_len = 0;
    while (*taken < n) {
        struct ws_endpoint_piece p;
        *taken += ws_endpoint_next(&e->in, bytes + *taken, n - *taken, &p);
        if (p.bad) {
            *why = p.bad;
            return ECHO_BAD;
        }
        *out_len += piece_out(e, &p, out + *out_len);
        count(e, &p, stats);
        if (p.end && e->in.frame.opcode == WS_CLOSE)
            return ECHO_CLOSE;
        if (p.end && !e->silent && e->messages >= limit)
            return ECHO_LIMIT;
    }
    return ECHO_MORE;
}
