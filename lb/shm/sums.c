#include <sched.h>
#include <string.h>
#include <time.h>

#include "shm/table.h"

/* A fold takes microseconds, or as long as its process is kept from running. */
#define YIELDS   100u
#define PAUSES   200u
#define PAUSE_NS 1000000L

/* A reader of the sequence lock whose writer is the supervisor's fold. */
struct read {
    uint32_t begun;
    unsigned tries;
};

static void read_begin(const struct shm *s, struct read *r)
{
    r->begun = atomic_load_explicit(&s->supervisor->fold, memory_order_acquire);
}

/* Whether what was read since read_begin is one moment's. */
static bool read_is_whole(const struct shm *s, const struct read *r)
{
    atomic_thread_fence(memory_order_acquire);
    return r->begun % 2 == 0 && shm_get32(&s->supervisor->fold) == r->begun;
}

/* Before another try; false: what was read must do. A supervisor that was killed inside a fold leaves `fold`
 * odd for ever: that is waited for once, not again by every sum. */
static bool read_again(struct read *r)
{
    static shm_u32 stuck;
    if (r->begun % 2 == 1 && r->begun == shm_get32(&stuck))
        return false;
    if (++r->tries <= YIELDS) {
        sched_yield();
        return true;
    }
    if (r->tries > YIELDS + PAUSES) {
        if (r->begun % 2 == 1)
            shm_set32(&stuck, r->begun);
        return false;
    }
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    return true;
}

static void fold_begin(const struct shm *s)
{
    shm_set32(&s->supervisor->fold, shm_get32(&s->supervisor->fold) + 1);
    atomic_thread_fence(memory_order_release);
}

static void fold_end(const struct shm *s)
{
    shm_u32 *fold = &s->supervisor->fold;
    atomic_store_explicit(fold, shm_get32(fold) + 1, memory_order_release);
}

static bool is_taken(const struct shm_seat *seat)
{
    return seat && shm_get32(&seat->state) != SHM_SEAT_FREE;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint32_t cell_generation(const struct shm_backend_cell *c)
{
    return atomic_load_explicit(&c->generation, memory_order_acquire);
}

#define SUM_GAUGE(to, from) ((to) += shm_get(&(from)))
#define SUM_TOTAL(to, from) ((to) += shm_get(&(from)))
#define SUM_PEAK(to, from)  ((to) = larger((to), shm_get(&(from))))

static void add_backend_cell(const struct shm_backend_cell *c, uint32_t generation,
                             struct shm_backend_sum *out)
{
    if (cell_generation(c) != generation)
        return;
#define X(kind, name, text) SUM_##kind(out->name, c->name);
    SHM_BACKEND_CELLS(X)
#undef X
    for (unsigned i = 0; i < SHM_CODE_COUNT; i++)
        out->answers[i] += shm_get(&c->answers[i]);
}

static void add_histogram(const struct shm_histogram *h, struct shm_histogram_sum *out)
{
    for (unsigned i = 0; i < SHM_BUCKETS; i++)
        out->buckets[i] += shm_get(&h->buckets[i]);
    out->sum_us += shm_get(&h->sum_us);
}

static void add_pool_cell(const struct shm_pool_cell *c, struct shm_pool_sum *out)
{
#define X(kind, name, text) SUM_##kind(out->name, c->name);
    SHM_POOL_CELLS(X)
#undef X
#define X(name, scale, text) add_histogram(&c->name, &out->name);
    SHM_POOL_HISTOGRAMS(X)
#undef X
}

static void add_listener_cell(const struct shm_listener_cell *c, struct shm_listener_sum *out)
{
#define X(kind, name, text) SUM_##kind(out->name, c->name);
    SHM_LISTENER_CELLS(X)
#undef X
    for (unsigned i = 0; i < SHM_REASONS_MAX; i++)
        out->ended[i] += shm_get(&c->ended[i]);
}

static void read_backend(const struct shm *s, uint32_t slot, uint32_t generation, struct shm_backend_sum *out)
{
    memset(out, 0, sizeof *out);
    if (generation == 0)
        return;
    for (uint32_t i = 0; i < s->n_seats; i++)
        if (is_taken(s->seats[i]))
            add_backend_cell(shm_backend_cell(s, s->seats[i], slot), generation, out);
    add_backend_cell(shm_backend_cell(s, shm_retired(s), slot), generation, out);
}

void shm_sum_backend(const struct shm *s, uint32_t slot, struct shm_backend_sum *out)
{
    const struct shm_backend *b = shm_backend(s, slot);
    struct read r = {0};
    if (!b) {
        memset(out, 0, sizeof *out);
        return;
    }
    do {
        read_begin(s, &r);
        read_backend(s, slot, shm_generation(b), out);
    } while (!read_is_whole(s, &r) && read_again(&r));
}

void shm_sum_listener(const struct shm *s, uint32_t listener, struct shm_listener_sum *out)
{
    struct read r = {0};
    if (listener >= s->n_listeners) {
        memset(out, 0, sizeof *out);
        return;
    }
    do {
        read_begin(s, &r);
        memset(out, 0, sizeof *out);
        for (uint32_t i = 0; i < s->n_seats; i++)
            if (is_taken(s->seats[i]))
                add_listener_cell(shm_listener_cell(s, s->seats[i], listener), out);
        add_listener_cell(shm_listener_cell(s, shm_retired(s), listener), out);
    } while (!read_is_whole(s, &r) && read_again(&r));
}

void shm_sum_pool(const struct shm *s, uint32_t pool, struct shm_pool_sum *out)
{
    struct read r = {0};
    if (pool >= SHM_POOLS_MAX) {
        memset(out, 0, sizeof *out);
        return;
    }
    do {
        read_begin(s, &r);
        memset(out, 0, sizeof *out);
        for (uint32_t i = 0; i < s->n_seats; i++)
            if (is_taken(s->seats[i]))
                add_pool_cell(shm_pool_cell(s, s->seats[i], pool), out);
        add_pool_cell(shm_pool_cell(s, shm_retired(s), pool), out);
    } while (!read_is_whole(s, &r) && read_again(&r));
}

uint64_t shm_sum_log_dropped(const struct shm *s)
{
    struct read r = {0};
    uint64_t sum;
    do {
        read_begin(s, &r);
        sum = shm_get(&shm_retired(s)->log_dropped_total);
        for (uint32_t i = 0; i < s->n_seats; i++)
            if (is_taken(s->seats[i]))
                sum += shm_get(&s->seats[i]->log_dropped_total);
    } while (!read_is_whole(s, &r) && read_again(&r));
    return sum;
}

uint64_t shm_refused(const struct shm_backend_sum *sum)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < SHM_CODE_COUNT; i++)
        if (i != SHM_CODE_101)
            n += sum->answers[i];
    return n;
}

uint64_t shm_connections(const struct shm *s, uint32_t slot, const struct shm_seat *except)
{
    const struct shm_backend *b = shm_backend(s, slot);
    uint32_t generation = b ? shm_generation(b) : 0;
    uint64_t sum = 0;
    if (generation == 0)
        return 0;
    for (uint32_t i = 0; i < s->n_seats; i++) {
        if (s->seats[i] == except || !is_taken(s->seats[i]))
            continue;
        const struct shm_backend_cell *c = shm_backend_cell(s, s->seats[i], slot);
        if (cell_generation(c) == generation)
            sum += shm_get(&c->connections);
    }
    return sum;
}

static void zero(shm_u64 *word)
{
    /* A word that is zero is not written: that would allocate nothing new, but dirty a shared cache line. */
    if (shm_get(word) != 0)
        shm_set(word, 0);
}

void shm_cell_begin(struct shm_backend_cell *c, uint32_t generation)
{
    shm_set32(&c->generation, 0);
    atomic_thread_fence(memory_order_release);
#define X(kind, name, text) zero(&c->name);
    SHM_BACKEND_CELLS(X)
#undef X
    for (unsigned i = 0; i < SHM_CODE_COUNT; i++)
        zero(&c->answers[i]);
    atomic_store_explicit(&c->generation, generation, memory_order_release);
}

/* What was open is over: gauges are not handed on. */
#define FOLD_GAUGE(to, from)
#define FOLD_TOTAL(to, from) shm_add(&(to), shm_get(&(from)))
#define FOLD_PEAK(to, from)  shm_set(&(to), larger(shm_get(&(to)), shm_get(&(from))))

static void fold_backend_cell(struct shm_backend_cell *to, struct shm_backend_cell *from, uint32_t generation)
{
    uint32_t has = shm_get32(&from->generation);
    if (has != 0 && has == generation) {
        if (shm_get32(&to->generation) != generation)
            shm_cell_begin(to, generation);
#define X(kind, name, text) FOLD_##kind(to->name, from->name);
        SHM_BACKEND_CELLS(X)
#undef X
        for (unsigned i = 0; i < SHM_CODE_COUNT; i++)
            shm_add(&to->answers[i], shm_get(&from->answers[i]));
    }
    if (has != 0)
        shm_cell_begin(from, 0);
}

static void fold_listener_cell(struct shm_listener_cell *to, struct shm_listener_cell *from, uint32_t reason)
{
#define X(kind, name, text) FOLD_##kind(to->name, from->name);
    SHM_LISTENER_CELLS(X)
#undef X
    for (unsigned i = 0; i < SHM_REASONS_MAX; i++) {
        shm_add(&to->ended[i], shm_get(&from->ended[i]));
        zero(&from->ended[i]);
    }
    /* All that were held, opened or not; every accepted connection has ended or is in the gauge. */
    if (reason < SHM_REASONS_MAX)
        shm_add(&to->ended[reason], shm_get(&from->connections));
#define X(kind, name, text) zero(&from->name);
    SHM_LISTENER_CELLS(X)
#undef X
}

/* Moves a TOTAL; where nothing was counted nothing is written. */
static void hand_on(shm_u64 *to, shm_u64 *from)
{
    uint64_t n = shm_get(from);
    if (n == 0)
        return;
    shm_add(to, n);
    shm_set(from, 0);
}

static void fold_histogram(struct shm_histogram *to, struct shm_histogram *from)
{
    for (unsigned i = 0; i < SHM_BUCKETS; i++)
        hand_on(&to->buckets[i], &from->buckets[i]);
    hand_on(&to->sum_us, &from->sum_us);
}

static void fold_pool_cell(struct shm_pool_cell *to, struct shm_pool_cell *from)
{
#define X(kind, name, text)                                                                                  \
    FOLD_##kind(to->name, from->name);                                                                       \
    zero(&from->name);
    SHM_POOL_CELLS(X)
#undef X
#define X(name, scale, text) fold_histogram(&to->name, &from->name);
    SHM_POOL_HISTOGRAMS(X)
#undef X
}

void shm_fold(const struct shm *s, struct shm_seat *seat, uint32_t reason)
{
    struct shm_seat *retired = shm_retired(s);
    uint32_t n_slots = shm_get32(&s->supervisor->n_slots), n_pools = shm_get32(&s->supervisor->n_pools);
    fold_begin(s);
    for (uint32_t i = 0; i < s->n_listeners; i++)
        fold_listener_cell(shm_listener_cell(s, retired, i), shm_listener_cell(s, seat, i), reason);
    for (uint32_t i = 0; i < n_slots && i < s->max_backends; i++)
        fold_backend_cell(shm_backend_cell(s, retired, i), shm_backend_cell(s, seat, i),
                          shm_get32(&shm_backend(s, i)->generation));
    for (uint32_t i = 0; i < n_pools && i < SHM_POOLS_MAX; i++)
        fold_pool_cell(shm_pool_cell(s, retired, i), shm_pool_cell(s, seat, i));
    shm_add(&retired->log_dropped_total, shm_get(&seat->log_dropped_total));
    zero(&seat->log_dropped_total);
    zero(&seat->started_ms);
    zero(&seat->heartbeat_ms);
    zero(&seat->connections);
    zero(&seat->heap_bytes);
    shm_set32(&seat->pid, 0);
    shm_set32(&seat->accepting, 0);
    shm_set32(&seat->state, SHM_SEAT_FREE);
    fold_end(s);
}
