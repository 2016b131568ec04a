#include "director/show.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "director/director_int.h"
#include "proto/close_reason.h"

_Static_assert(CLOSE_REASON_COUNT <= SHM_REASONS_MAX, "a row of the table holds every reason");

struct totals {
    uint64_t connections, opened_total;
    uint64_t ended[SHM_REASONS_MAX];
    uint64_t heap_bytes;
};

static void sum_up(const struct director *d, struct totals *t)
{
    *t = (struct totals){0};
    for (uint32_t i = 0; i < d->shm.n_listeners; i++) {
        struct shm_listener_sum l;

        shm_sum_listener(&d->shm, i, &l);
        t->connections += l.open;
        t->opened_total += l.opened_total;
        for (unsigned r = 0; r < CLOSE_REASON_COUNT; r++)
            t->ended[r] += l.ended[r];
    }
    for (uint32_t i = 0; i < d->shm.n_seats; i++) {
        const struct shm_seat *seat = d->shm.seats[i];

        if (shm_get32(&seat->state) != SHM_SEAT_FREE)
            t->heap_bytes += shm_get(&seat->heap_bytes);
    }
}

static void reasons(struct answer *a, const char *key, const struct totals *t, bool rejects)
{
    answer_open(a, key);
    for (unsigned r = CLOSE_REASON_NONE + 1; r < CLOSE_REASON_COUNT; r++) {
        if (!close_reason_is_reject((enum close_reason)r) == !rejects)
            answer_u64(a, close_reason_name((enum close_reason)r), t->ended[r]);
    }
    answer_close(a);
}

void show_info(struct command *c)
{
    const struct director *d = c->d;
    const struct shm_supervisor *s = d->shm.supervisor;
    struct answer *a = &c->answer;
    struct totals t;

    sum_up(d, &t);
    answer_object(a);
    answer_row(a);
    answer_str(a, "version", WSLB_VERSION);
    answer_u64(a, "pid", d->hello.supervisor_pid);
    answer_u64(a, "director_pid", (uint64_t)getpid());
    answer_u64(a, "uptime_s", (clock_mono_ms() - shm_get(&s->started_ms)) / 1000);
    answer_u64(a, "workers", d->hello.workers);
    answer_u64(a, "generation", shm_get(&s->generation));
    answer_u64(a, "connections", t.connections);
    answer_u64(a, "connections_total", t.opened_total);
    answer_u64(a, "handshakes_total", t.opened_total);
    reasons(a, "rejected", &t, true);
    reasons(a, "closed", &t, false);
    answer_u64(a, "heap_bytes", t.heap_bytes);
    if (t.connections > 0)
        answer_u64(a, "heap_bytes_per_connection", t.heap_bytes / t.connections);
    else
        answer_null(a, "heap_bytes_per_connection");
    answer_u64(a, "worker_restarts_total", shm_get(&s->worker_restarts_total));
    answer_u64(a, "director_restarts_total", shm_get(&s->director_restarts_total));
    answer_row_end(a);
}

void show_config(struct command *c)
{
    answer_text(&c->answer, "config", c->d->config_text, c->d->config_len);
}
