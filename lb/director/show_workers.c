#include "director/show.h"

#include "base/clock.h"
#include "director/director_int.h"

#define STUCK_AFTER_MS 2000u

static uint64_t age_ms(uint64_t now_ms, uint64_t then_ms)
{
    return now_ms > then_ms ? now_ms - then_ms : 0;
}

static const char *word_for(uint32_t state, uint64_t heartbeat_age_ms)
{
    if (state == SHM_SEAT_FREE || state == SHM_SEAT_STARTING)
        return "starting";
    if (heartbeat_age_ms > STUCK_AFTER_MS)
        return "stuck";
    return state == SHM_SEAT_LEAVING ? "leaving" : "up";
}

static uint64_t handshakes(const struct director *d, struct shm_seat *seat)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < d->shm.n_listeners; i++)
        n += shm_get(&shm_listener_cell(&d->shm, seat, i)->opened_total);
    return n;
}

static void since(struct answer *a, const char *key, uint64_t now_ms, uint64_t then_ms, uint64_t unit_ms)
{
    if (then_ms)
        answer_u64(a, key, age_ms(now_ms, then_ms) / unit_ms);
    else
        answer_null(a, key);
}

static void worker(struct answer *a, const struct director *d, struct shm_seat *seat, uint32_t number)
{
    uint32_t state = shm_get32(&seat->state), pid = shm_get32(&seat->pid);
    uint64_t heartbeat_ms = shm_get(&seat->heartbeat_ms), started_ms = shm_get(&seat->started_ms);
    uint64_t now_ms = clock_mono_ms();

    answer_row(a);
    answer_u64(a, "worker", number);
    if (pid)
        answer_u64(a, "pid", pid);
    else
        answer_null(a, "pid");
    answer_str(a, "state", word_for(state, age_ms(now_ms, heartbeat_ms)));
    answer_u64(a, "connections", shm_get(&seat->connections));
    answer_u64(a, "handshakes_total", handshakes(d, seat));
    answer_u64(a, "restarts", shm_get32(&d->shm.supervisor->restarts[number]));
    since(a, "uptime_s", now_ms, started_ms, 1000);
    since(a, "heartbeat_age_ms", now_ms, heartbeat_ms, 1);
    answer_row_end(a);
}

void show_workers(struct command *c)
{
    static const char *const columns[] = {
        "worker",           "pid", "state", "connections", "handshakes_total", "restarts", "uptime_s",
        "heartbeat_age_ms", NULL};
    const struct director *d = c->d;

    answer_list(&c->answer, columns);
    for (uint32_t number = 0; number < d->hello.workers; number++) {
        uint32_t rows = 0;

        for (uint32_t i = 0; i < d->shm.n_seats; i++) {
            struct shm_seat *seat = d->shm.seats[i];

            if (shm_get32(&seat->state) == SHM_SEAT_FREE || shm_get32(&seat->number) != number)
                continue;
            worker(&c->answer, d, seat, number);
            rows++;
        }
        if (!rows) /* it died, and its start is held back for a while */
            worker(&c->answer, d, d->shm.seats[number], number);
    }
}
