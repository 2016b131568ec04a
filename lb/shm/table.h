/* The shared tables: what processes know of each other without asking. One memfd for each writer, mapped
 * read-only by all others; no byte has two writers at one time. The supervisor writes the backend table and
 * the retired row (the totals of workers that have died), the director health and load, each worker its own
 * gauges, totals and heartbeat. A worker's segment is its seat; when it has died the supervisor is its heir:
 * it folds the totals into the retired row, zeroes the seat and gives it to a successor.
 *
 * A backend's id is slot and generation. Cells carry the generation of the slot they speak of; a reader skips
 * a cell of another generation. Segments are sized for max_backends and sparse: visit slots below `n_slots`
 * and seats in use only, since reading a hole allocates it. A new counter is one row of a list below. */
#ifndef SHM_TABLE_H
#define SHM_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

#define SHM_VERSION     1u
#define SHM_NAME_MAX    48
#define SHM_SEATS_MAX   512u
#define SHM_REASONS_MAX 64u   /* room for enum close_reason; checked by who uses both */
#define SHM_POOLS_MAX   1024u /* cells for pools; what no pool uses costs nothing but addresses */
#define SHM_BUCKETS     17u   /* of a histogram; see histogram.h */

typedef _Atomic uint64_t shm_u64; /* the one typedef: an atomic word that is only ever loaded and stored */
typedef _Atomic uint32_t shm_u32;

static inline uint64_t shm_get(const shm_u64 *p)
{
    return atomic_load_explicit(p, memory_order_relaxed);
}
static inline void shm_set(shm_u64 *p, uint64_t v)
{
    atomic_store_explicit(p, v, memory_order_relaxed);
}
/* For the one writer of the word: no locked instruction is needed. */
static inline void shm_add(shm_u64 *p, uint64_t n)
{
    shm_set(p, shm_get(p) + n);
}
static inline void shm_sub(shm_u64 *p, uint64_t n)
{
    shm_set(p, shm_get(p) - n);
}
static inline uint32_t shm_get32(const shm_u32 *p)
{
    return atomic_load_explicit(p, memory_order_relaxed);
}
static inline void shm_set32(shm_u32 *p, uint32_t v)
{
    atomic_store_explicit(p, v, memory_order_relaxed);
}

/* What operator, agent and check say of a backend, and what comes of it; the gravest counts. */
enum shm_state {
    SHM_STATE_UP,
    SHM_STATE_STARTING,
    SHM_STATE_DRAIN,
    SHM_STATE_DOWN,
    SHM_STATE_MAINT,
    SHM_STATE_COUNT
};
const char *shm_state_name(enum shm_state s); /* "up" "starting" "drain" "down" "maint" */

/* ---- written by the supervisor ---- */

struct shm_backend {
    shm_u32 generation; /* 0: the slot is free; written last */
    uint32_t pool;
    char name[SHM_NAME_MAX];
    struct address address;
    bool backup;
    shm_u32 weight;
    shm_u32 admin_state;     /* UP (ready), DRAIN or MAINT */
    shm_u64 max_connections; /* 0: no limit */
};

/* GAUGE: is now, zeroed when its writer dies. TOTAL: only grows. PEAK: a maximum. */
#define SHM_BACKEND_CELLS(X)                                                                                 \
    X(GAUGE, connections, "connections that hold a place, from the pick to the close")                       \
    X(TOTAL, connections_total, "places given since the start")                                              \
    X(PEAK, connections_peak, "most connections at a time, as seen at a pick")                               \
    X(TOTAL, failures, "failed connects, time-outs and invalid answers")                                     \
    X(TOTAL, handshakes_total, "upgrades it has accepted (tcp: connects)")                                   \
    X(TOTAL, messages_in, "messages from clients")                                                           \
    X(TOTAL, messages_out, "messages to clients")                                                            \
    X(TOTAL, bytes_in, "bytes from clients")                                                                 \
    X(TOTAL, bytes_out, "bytes to clients")

/* Statuses of backends' answers to upgrades that are counted one by one. All others have one number together,
 * so that no backend can make up more of them. */
#define SHM_CODES(X)                                                                                         \
    X(101)                                                                                                   \
    X(200) X(301) X(302) X(307) X(400) X(401) X(403) X(404) X(408) X(426) X(429) X(500) X(502) X(503) X(504)

enum shm_code {
#define X(status) SHM_CODE_##status,
    SHM_CODES(X)
#undef X
        SHM_CODE_OTHER,
    SHM_CODE_COUNT
};
enum shm_code shm_code(int status);
const char *shm_code_name(enum shm_code c); /* "101" … "other" */

#define SHM_LISTENER_CELLS(X)                                                                                \
    X(GAUGE, connections, "connections accepted and not ended yet")                                          \
    X(GAUGE, open, "connections that have opened (the 101, or tcp's connect) and not ended yet")             \
    X(TOTAL, accepted_total, "connections accepted")                                                         \
    X(TOTAL, opened_total, "connections that have opened")                                                   \
    X(TOTAL, retries_total, "connects tried again on another backend")

struct shm_backend_cell {
    shm_u32 generation;
    uint32_t pad;
#define X(kind, name, text) shm_u64 name;
    SHM_BACKEND_CELLS(X)
#undef X
    shm_u64 answers[SHM_CODE_COUNT]; /* TOTAL: its answers to upgrades */
};

struct shm_listener_cell {
#define X(kind, name, text) shm_u64 name;
    SHM_LISTENER_CELLS(X)
#undef X
    shm_u64 ended[SHM_REASONS_MAX]; /* by enum close_reason; rejected and closed ones alike */
};

#define SHM_POOL_CELLS(X)                                                                                    \
    X(TOTAL, retries_connect_total, "backends tried because a connect to another failed")

/* Name, scale (histogram.h), what is measured. They are TOTAL. */
#define SHM_POOL_HISTOGRAMS(X)                                                                               \
    X(handshake, SHORT, "from the first byte of a client's head to the 101")                                 \
    X(connect, SHORT, "a connect to a backend that succeeded")                                               \
    X(connection, LONG, "a connection's life, from its opening to its end")

struct shm_histogram {
    shm_u64 buckets[SHM_BUCKETS]; /* not cumulated; the last one is above all bounds */
    shm_u64 sum_us;
};

struct shm_pool_cell {
#define X(kind, name, text) shm_u64 name;
    SHM_POOL_CELLS(X)
#undef X
#define X(name, scale, text) struct shm_histogram name;
    SHM_POOL_HISTOGRAMS(X)
#undef X
};

/* ---- written by a worker (the retired row: by the supervisor) ---- */

enum shm_seat_state { SHM_SEAT_FREE, SHM_SEAT_STARTING, SHM_SEAT_UP, SHM_SEAT_LEAVING };

struct shm_seat {
    uint32_t version;
    shm_u32
        state; /* enum shm_seat_state; STARTING and FREE are written by the supervisor while nobody sits */
    shm_u32 pid;
    shm_u32 number; /* of its worker in `show workers`: a successor has its predecessor's; kept when folded */
    shm_u32 accepting;  /* takes new connections: has free descriptors and open listeners */
    shm_u64 started_ms; /* CLOCK_MONOTONIC */
    shm_u64 heartbeat_ms;
    shm_u64 connections; /* accepted and not ended yet: what the accept rule compares */
    shm_u64 heap_bytes;  /* as the allocator counts them; refreshed about once a second */
    shm_u64 log_dropped_total;
    /* struct shm_listener_cell[n_listeners], struct shm_backend_cell[max_backends] and struct
     * shm_pool_cell[SHM_POOLS_MAX] follow */
};

enum shm_phase { SHM_PHASE_STARTING, SHM_PHASE_RUNNING, SHM_PHASE_STOPPING };

struct shm_supervisor {
    uint32_t version;
    uint32_t max_backends, n_listeners, n_seats;
    shm_u64 epoch;   /* grows after every change of the backend table: what a worker's view compares */
    shm_u32 n_slots; /* slots ever used: the end of every walk */
    shm_u32 fold;    /* odd while a seat is being folded into the retired row */
    shm_u32 n_pools; /* pools ever used: the end of every walk of their cells */
    shm_u32 phase;   /* enum shm_phase: RUNNING once all children have been up, until a stop is asked for */
    shm_u64 started_ms, started_real_ms;
    shm_u64 generation; /* of the config: 1, then one more for each reload */
    shm_u64 worker_restarts_total, director_restarts_total;
    shm_u32 restarts[SHM_SEATS_MAX]; /* of each worker, by its number */
    /* struct shm_backend[max_backends], then a struct shm_seat with its cells: the retired row */
};

/* ---- written by the director ---- */

struct shm_health {
    shm_u32 generation;
    shm_u32 check_state; /* enum shm_state; UP where nothing checks */
    shm_u32 agent_state; /* UP where no agent speaks */
    uint32_t pad;
};

struct shm_director {
    uint32_t version;
    shm_u32 pid;
    shm_u64 started_ms, heartbeat_ms;
    /* struct shm_health[max_backends] */
};

/* ---- one process's view of all ---- */

struct shm {
    struct shm_supervisor *supervisor;
    struct shm_director *director;
    struct shm_seat *seats[SHM_SEATS_MAX];
    uint32_t max_backends, n_listeners, n_seats;
};

size_t shm_supervisor_bytes(uint32_t max_backends, uint32_t n_listeners);
size_t shm_director_bytes(uint32_t max_backends);
size_t shm_seat_bytes(uint32_t max_backends, uint32_t n_listeners);

/* A memfd (0600, close-on-exec) of that size that can neither shrink nor grow; -1: errno. */
int shm_make(const char *name, size_t bytes);
/* Another descriptor of the same memory that can't be written or mapped writable: what all but the writer are
 * given. -1: errno. */
int shm_readonly(int fd);
/* Maps it whole; NULL: errno (EINVAL: it has another size). */
void *shm_map(int fd, size_t bytes, bool writable);

/* By the supervisor, once s->supervisor is mapped and the counts of *s are set: version, counts, start and
 * config generation 1. The version of a director's segment and of a seat's is set by who makes it. */
void shm_init_supervisor(struct shm *s, uint64_t started_ms, uint64_t started_real_ms);

/* NULL beyond the table (shm_health: also where no director is mapped). */
struct shm_backend *shm_backend(const struct shm *s, uint32_t slot);
struct shm_health *shm_health(const struct shm *s, uint32_t slot);
struct shm_listener_cell *shm_listener_cell(const struct shm *s, struct shm_seat *seat, uint32_t listener);
struct shm_backend_cell *shm_backend_cell(const struct shm *s, struct shm_seat *seat, uint32_t slot);
struct shm_pool_cell *shm_pool_cell(const struct shm *s, struct shm_seat *seat, uint32_t pool);
struct shm_seat *shm_retired(const struct shm *s);

static inline uint64_t shm_backend_id(uint32_t slot, uint32_t generation)
{
    return (uint64_t)generation << 32 | slot;
}
static inline uint32_t shm_id_slot(uint64_t id)
{
    return (uint32_t)id;
}
static inline uint32_t shm_id_generation(uint64_t id)
{
    return (uint32_t)(id >> 32);
}

/* What a reader of a row asks first: it orders the row's other fields behind it. 0: the slot is free. */
static inline uint32_t shm_generation(const struct shm_backend *b)
{
    return atomic_load_explicit(&b->generation, memory_order_acquire);
}
/* Read it before the table: whoever sees an epoch sees every change that made it. */
static inline uint64_t shm_epoch(const struct shm *s)
{
    return atomic_load_explicit(&s->supervisor->epoch, memory_order_acquire);
}

/* By a cell's one writer, before its first use for a generation of the slot: all zero, then that generation.
 */
void shm_cell_begin(struct shm_backend_cell *cell, uint32_t generation);

/* The state that counts: the gravest of the three words; MAINT for a free slot. */
enum shm_state shm_backend_state(const struct shm *s, uint32_t slot);

/* Sums over all seats in use and the retired row (of peaks the largest); consistent while a seat is folded
 * (reads again). Zero for a free slot. */
struct shm_backend_sum {
#define X(kind, name, text) uint64_t name;
    SHM_BACKEND_CELLS(X)
#undef X
    uint64_t answers[SHM_CODE_COUNT];
};
struct shm_listener_sum {
#define X(kind, name, text) uint64_t name;
    SHM_LISTENER_CELLS(X)
#undef X
    uint64_t ended[SHM_REASONS_MAX];
};
struct shm_histogram_sum {
    uint64_t buckets[SHM_BUCKETS];
    uint64_t sum_us;
};
struct shm_pool_sum {
#define X(kind, name, text) uint64_t name;
    SHM_POOL_CELLS(X)
#undef X
#define X(name, scale, text) struct shm_histogram_sum name;
    SHM_POOL_HISTOGRAMS(X)
#undef X
};
void shm_sum_backend(const struct shm *s, uint32_t slot, struct shm_backend_sum *out);
void shm_sum_listener(const struct shm *s, uint32_t listener, struct shm_listener_sum *out);
void shm_sum_pool(const struct shm *s, uint32_t pool, struct shm_pool_sum *out);
uint64_t shm_sum_log_dropped(const struct shm *s); /* lines that workers couldn't hand over */

/* All answers but the 101. */
uint64_t shm_refused(const struct shm_backend_sum *sum);

/* Connections on a slot as the seats say, without the seat `except` (NULL: none is left out). Cheap: one
 * cache line a seat. There is no fence in it: a limit needs a full one between raising one's own cell and
 * this. */
uint64_t shm_connections(const struct shm *s, uint32_t slot, const struct shm_seat *except);

/* By the supervisor, after the seat's process has gone: totals go to the retired row, what it held is booked
 * as ended for `reason`, the seat is all zero (but its version) and free. */
void shm_fold(const struct shm *s, struct shm_seat *seat, uint32_t reason);

/* By the supervisor: the next slot that was never used, fields from *row but its generation. Returns the id,
 * 0 when the table is full. Then the epoch has grown. */
uint64_t shm_backend_add(const struct shm *s, const struct shm_backend *row);
/* By the supervisor, after it has changed words of a row. */
void shm_touch(const struct shm *s);

#endif
