/* How long things take: for the connection's row in milliseconds, for the pools' histograms in microseconds,
 * since a backend that is near is connected in less than one. Only edges between states are looked at, so a
 * message costs nothing, and what is remembered in between lives in the handshake, which an open connection
 * has no more. */
#include "base/clock.h"
#include "shm/histogram.h"
#include "worker/worker_int.h"

uint64_t measure_now_us(void)
{
    return clock_mono_ns() / 1000;
}

static void connected(struct shm_pool_cell *p, struct conn *c, uint64_t now_us)
{
    uint64_t took_us = now_us - c->hs->dial_us;
    c->row.connect_ms = (uint32_t)(took_us / 1000);
    shm_observe(&p->connect, SHM_SCALE_SHORT, took_us);
}

static void opened(struct shm_pool_cell *p, struct conn *c, uint64_t now_us)
{
    if (!c->row.websocket) {
        connected(p, c, now_us);
        return;
    }
    uint64_t took_us = now_us - c->hs->first_us;
    c->row.handshake_ms = (uint32_t)(took_us / 1000);
    shm_observe(&p->handshake, SHM_SCALE_SHORT, took_us);
}

void measure_edge(struct worker *w, struct conn *c, enum conn_state next)
{
    struct shm_pool_cell *p = shm_pool_cell(&w->shm, w->seat, c->row.pool);
    switch (next) {
    case CONN_DIAL:
        c->hs->dial_us = measure_now_us();
        break;
    case CONN_REPLY:
        connected(p, c, measure_now_us());
        break;
    case CONN_RELAY:
        opened(p, c, measure_now_us());
        break;
    case CONN_CLOSED:
        if (c->row.opened && w->now_ms >= c->row.relay_ms)
            shm_observe(&p->connection, SHM_SCALE_LONG, (w->now_ms - c->row.relay_ms) * 1000);
        break;
    default:
        break;
    }
}
