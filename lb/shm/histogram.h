/* Durations, counted in fixed buckets: what a histogram in a pool's cell holds (table.h). The bounds stand in
 * one table, so that cells of all workers add up and a reader needs nothing but the counts. An observation is
 * one search in a line of constants and two additions; it is made once in a handshake or a connection's life,
 * never for a message. */
#ifndef SHM_HISTOGRAM_H
#define SHM_HISTOGRAM_H

#include <stdint.h>

#include "shm/table.h"

/* SHORT: of handshakes, 250 µs to 30 s. LONG: of connections, 100 ms to a week. */
enum shm_scale { SHM_SCALE_SHORT, SHM_SCALE_LONG, SHM_SCALE_COUNT };

/* The upper bounds (inclusive) of all buckets but the last, rising, in µs: SHM_BUCKETS - 1 of them. */
const uint64_t *shm_bounds_us(enum shm_scale scale);

/* By the cell's one writer. */
void shm_observe(struct shm_histogram *h, enum shm_scale scale, uint64_t us);

/* Of all buckets together. */
uint64_t shm_histogram_count(const struct shm_histogram_sum *h);

#endif
