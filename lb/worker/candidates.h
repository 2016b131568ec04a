/* The worker's own view of every pool's backends, and the one filter before every algorithm. It is kept up by
 * the epoch of the backend table, by this worker's own placements at once and by the other workers' rows,
 * which are read again when they are 10 ms old.
 *
 * Each node has a class: primaries before backups, and within both those whose last connect didn't just fail
 * before those that are passed over for a second. Only the best class that has a node is usable, so "backups
 * when no primary is left" and "passed over, unless all did" are one rule. A node out of service, at its
 * limit, or tried already by the one who asks has none. */
#ifndef WORKER_CANDIDATES_H
#define WORKER_CANDIDATES_H

#include <stdbool.h>
#include <stdint.h>

#include "algo/algo.h"
#include "base/rng.h"
#include "config/config.h"
#include "shm/table.h"

#define CANDIDATES_FRESH_MS     10u   /* how old the other workers' rows may be */
#define CANDIDATES_PASS_OVER_MS 1000u /* after a failed connect */

enum node_class {
    CLASS_PRIMARY,
    CLASS_BACKUP,
    CLASS_FAILED_PRIMARY,
    CLASS_FAILED_BACKUP,
    CLASS_COUNT,
    CLASS_NONE = CLASS_COUNT
};

struct candidate {
    uint32_t slot;
    uint32_t generation;
    uint64_t failed_until_ms; /* 0: its last connect didn't fail */
    uint8_t class;
    bool full; /* at its limit when last tried */
};

struct pool_view {
    const struct algo *algorithm;
    struct algo_view view;
    void *view_memory;
    void *state;
    struct candidate *nodes;
    uint32_t n, n_class[CLASS_COUNT];
    uint8_t active; /* the class that is usable */
    uint64_t epoch;
    uint64_t read_ms; /* when the others' rows were read */
    uint64_t lost_us; /* when the next client of a lost backend may be told (close_rate) */
};

struct candidates {
    const struct config *config;
    const struct shm *shm;
    struct shm_seat *seat;
    struct rng *rng;
    struct pool_view *pools;
    uint32_t *node_of_slot; /* max_backends of them */
};

bool candidates_init(struct candidates *k, const struct config *config, const struct shm *shm,
                     struct shm_seat *seat, struct rng *rng);
void candidates_fini(struct candidates *k);

/* Chooses a backend of the pool that isn't in tried[0..n_tried) and takes a place on it (exact where it has a
 * limit). false: there is none. *cell is this worker's cell of it: the place is given back by
 * candidates_release. */
bool candidates_pick(struct candidates *k, uint32_t pool, const uint32_t *tried, uint32_t n_tried,
                     uint64_t now_ms, uint64_t *backend_id, struct shm_backend_cell **cell);
/* A connection that another worker placed is held here now. NULL: there is no such backend in the pool. */
struct shm_backend_cell *candidates_adopt(struct candidates *k, uint32_t pool, uint64_t backend_id);
void candidates_release(struct candidates *k, uint32_t pool, uint64_t backend_id,
                        struct shm_backend_cell *cell);

/* A connect to it has failed: it is passed over for a second, unless all did. */
void candidates_failed(struct candidates *k, uint32_t pool, uint64_t backend_id, uint64_t now_ms);

/* When the next client of a lost backend may be told: now for the first, then spaced so that all workers
 * together keep close_rate. CLOCK_MONOTONIC, ms. */
uint64_t candidates_lost_turn(struct candidates *k, uint32_t pool, uint64_t now_ms);

#endif
