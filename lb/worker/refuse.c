/* Refusals of ours before the upgrade: INTERFACE's "What a client is told". */
#include "proto/http_refusal.h"

#include "worker/worker_int.h"

/* Spread, so that those who were refused together don't come back together. */
#define RETRY_AFTER_MIN_S   1u
#define RETRY_AFTER_RANGE_S 10u

enum conn_state conn_refuse(struct worker *w, struct conn *c, int status, const char *why,
                            enum close_reason reason)
{
    conn_reason(c, reason);
    c->row.status = (uint16_t)status;
    if (!c->row.websocket)
        return CONN_LINGER; /* nothing can be said: the end alone */
    char text[HTTP_REFUSAL_MAX];
    unsigned retry_s = 0;
    if (status == 503 || status == 429)
        retry_s = RETRY_AFTER_MIN_S + (unsigned)rng_below(&w->rng, RETRY_AFTER_RANGE_S);
    size_t n = http_refusal(text, sizeof text, status, why, retry_s);
    if (!n || !buffer_append(&c->side[CLIENT].out, text, n))
        return CONN_CLOSED;
    return CONN_LINGER;
}
