/* Ids of connections: 64 bits, unique across workers, restarts and upgrades, and growing with time. 42 bits
 * of milliseconds since 2024, 10 bits of the stamp that the supervisor gives to each child it starts, 12 bits
 * of a count within the millisecond. The clock is read at start only; from then on the monotonic one counts,
 * and a burst of more than 4,096 in one millisecond borrows from the next. */
#ifndef WORKER_SESSION_ID_H
#define WORKER_SESSION_ID_H

#include <stdint.h>

struct session_ids {
    uint64_t base_ms; /* added to the monotonic clock */
    uint64_t last;    /* milliseconds and count of the last id, without the stamp */
    uint32_t stamp;
};

void session_ids_init(struct session_ids *s, uint32_t stamp);
uint64_t session_id_next(struct session_ids *s, uint64_t mono_ms);

#endif
