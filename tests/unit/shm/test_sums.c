#include "fixture.h"

#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <time.h>

/* What a reader does that waits for a fold is the test's: it counts, or (beside a fold that goes on) asks for
 * quiet and waits, so that no reader ever has to give up. */
struct quiet {
    shm_u32 wanted;
    const shm_u32 *fold;
};
static unsigned pauses;
static __thread struct quiet *quiet;

int __wrap_nanosleep(const struct timespec *t, struct timespec *rest);
int __wrap_nanosleep(const struct timespec *t, struct timespec *rest)
{
    (void)t;
    (void)rest;
    if (!quiet) {
        pauses++;
        return 0;
    }
    shm_set32(&quiet->wanted, 1);
    while (shm_get32(quiet->fold) % 2 == 1)
        sched_yield();
    return 0;
}

static struct shm_backend_sum backend_sum(const struct fixture *f, uint32_t slot)
{
    struct shm_backend_sum sum;
    memset(&sum, 0xff, sizeof sum);
    shm_sum_backend(&f->shm, slot, &sum);
    return sum;
}

static struct shm_listener_sum listener_sum(const struct fixture *f, uint32_t listener)
{
    struct shm_listener_sum sum;
    memset(&sum, 0xff, sizeof sum);
    shm_sum_listener(&f->shm, listener, &sum);
    return sum;
}

static struct shm_pool_sum pool_sum(const struct fixture *f, uint32_t pool)
{
    struct shm_pool_sum sum;
    memset(&sum, 0xff, sizeof sum);
    shm_sum_pool(&f->shm, pool, &sum);
    return sum;
}

static bool all_zero(const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((const unsigned char *)p)[i])
            return false;
    return true;
}

/* The seat of a fold: nothing but its version is left. */
static void assert_empty(const struct fixture *f, struct shm_seat *seat)
{
    assert_int_equal(seat->version, SHM_VERSION);
    seat->version = 0;
    assert_true(all_zero(seat, shm_seat_bytes(f->shm.max_backends, f->shm.n_listeners)));
    seat->version = SHM_VERSION;
}

/* A different number in every word, so that none is mixed up with another. */
static void fill_backend_cell(struct shm_backend_cell *c, uint64_t from)
{
#define X(kind, name, text) shm_set(&c->name, from++);
    SHM_BACKEND_CELLS(X)
#undef X
    for (unsigned i = 0; i < SHM_CODE_COUNT; i++)
        shm_set(&c->answers[i], from++);
}

/* The cell holds nothing but words. */
#define POOL_WORDS (sizeof(struct shm_pool_cell) / sizeof(shm_u64))
_Static_assert(sizeof(struct shm_pool_cell) == sizeof(struct shm_pool_sum),
               "a word in one is a word in the other");

static void fill_pool_cell(struct shm_pool_cell *c, uint64_t from)
{
    for (unsigned i = 0; i < POOL_WORDS; i++)
        shm_set((shm_u64 *)c + i, from++);
}

static void fill_listener_cell(struct shm_listener_cell *c, uint64_t from)
{
#define X(kind, name, text) shm_set(&c->name, from++);
    SHM_LISTENER_CELLS(X)
#undef X
    for (unsigned i = 0; i < SHM_REASONS_MAX; i++)
        shm_set(&c->ended[i], from++);
}

#define IS_PEAK_GAUGE  0
#define IS_PEAK_TOTAL  0
#define IS_PEAK_PEAK   1
#define IS_GAUGE(k)    IS_GAUGE_##k
#define IS_GAUGE_GAUGE 1
#define IS_GAUGE_TOTAL 0
#define IS_GAUGE_PEAK  0

static void sum_of_seats(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(3, 2, 4);
    uint32_t slot = fixture_backend(f, "a");
    f->shm.n_seats = 5; /* one of them isn't mapped */
    for (uint32_t i = 0; i < 3; i++) {
        fixture_sit(f, i);
        fill_backend_cell(fixture_cell(f, i, slot), 100 * (i + 1));
        fill_listener_cell(fixture_listener(f, i, 1), 1000 * (i + 1));
        fill_pool_cell(fixture_pool(f, i, 1), 10000 * (i + 1));
        shm_set(&f->shm.seats[i]->log_dropped_total, 1u << i);
    }
    /* Nobody sits on seat 3. */
    fill_backend_cell(fixture_cell(f, 3, slot), 7777);
    fill_listener_cell(fixture_listener(f, 3, 1), 7777);
    fill_pool_cell(fixture_pool(f, 3, 1), 7777);
    shm_set(&f->shm.seats[3]->log_dropped_total, 7777);

    struct shm_backend_sum b = backend_sum(f, slot);
    uint64_t k = 0;
#define X(kind, name, text)                                                                                  \
    assert_int_equal(b.name, IS_PEAK_##kind ? 300 + k : 600 + 3 * k);                                        \
    k++;
    SHM_BACKEND_CELLS(X)
#undef X
    for (unsigned i = 0; i < SHM_CODE_COUNT; i++)
        assert_int_equal(b.answers[i], 600 + 3 * (k + i));

    struct shm_listener_sum l = listener_sum(f, 1);
    k = 0;
#define X(kind, name, text)                                                                                  \
    assert_int_equal(l.name, 6000 + 3 * k);                                                                  \
    k++;
    SHM_LISTENER_CELLS(X)
#undef X
    for (unsigned i = 0; i < SHM_REASONS_MAX; i++)
        assert_int_equal(l.ended[i], 6000 + 3 * (k + i));

    struct shm_pool_sum p = pool_sum(f, 1);
    for (k = 0; k < POOL_WORDS; k++)
        assert_int_equal(((const uint64_t *)&p)[k], 60000 + 3 * k);
    assert_int_equal(shm_sum_log_dropped(&f->shm), 7);
    p = pool_sum(f, 0);
    assert_true(all_zero(&p, sizeof p));
    p = pool_sum(f, SHM_POOLS_MAX); /* none */
    assert_true(all_zero(&p, sizeof p));

    l = listener_sum(f, 0);
    assert_true(all_zero(&l, sizeof l));
    l = listener_sum(f, 2);
    assert_true(all_zero(&l, sizeof l));
    b = backend_sum(f, 1); /* free */
    assert_true(all_zero(&b, sizeof b));
    b = backend_sum(f, 3); /* none */
    assert_true(all_zero(&b, sizeof b));
    f->shm.n_seats = 4;
    fixture_free(f);
}

/* Cells that speak of a slot's former owner don't count for the present one. */
static void other_generation(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(1, 1, 2);
    uint32_t slot = fixture_backend(f, "a");
    for (uint32_t i = 0; i < 2; i++) {
        fixture_sit(f, i);
        fill_backend_cell(fixture_cell(f, i, slot), 10);
    }
    struct shm_backend_cell *retired = shm_backend_cell(&f->shm, shm_retired(&f->shm), slot);
    shm_cell_begin(retired, 1);
    fill_backend_cell(retired, 500);

    shm_set32(&shm_backend(&f->shm, slot)->generation, 2);
    struct shm_backend_sum b = backend_sum(f, slot);
    assert_true(all_zero(&b, sizeof b));
    assert_int_equal(shm_connections(&f->shm, slot, NULL), 0);

    struct shm_backend_cell *c = fixture_cell(f, 1, slot);
    assert_int_equal(shm_get32(&c->generation), 2);
    assert_true(all_zero(&c->connections, sizeof *c - offsetof(struct shm_backend_cell, connections)));
    shm_add(&c->connections, 4);
    assert_int_equal(backend_sum(f, slot).connections, 4);
    assert_int_equal(shm_connections(&f->shm, slot, NULL), 4);

    /* The slot is free: nothing speaks of it, whatever the cells hold. */
    shm_set32(&shm_backend(&f->shm, slot)->generation, 0);
    shm_set32(&c->generation, 0);
    b = backend_sum(f, slot);
    assert_true(all_zero(&b, sizeof b));
    assert_int_equal(shm_connections(&f->shm, slot, NULL), 0);
    fixture_free(f);
}

static void connections(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(2, 1, 4);
    uint32_t slot = fixture_backend(f, "a");
    struct shm *s = &f->shm;
    for (uint32_t i = 0; i < 4; i++)
        shm_set(&fixture_cell(f, i, slot)->connections, 1u << i);
    for (uint32_t i = 0; i < 3; i++)
        fixture_sit(f, i);
    shm_set32(&s->seats[1]->state, SHM_SEAT_LEAVING);
    shm_set32(&s->seats[2]->state, SHM_SEAT_STARTING);
    assert_int_equal(shm_connections(s, slot, NULL), 7);
    assert_int_equal(shm_connections(s, slot, s->seats[1]), 5);
    assert_int_equal(shm_connections(s, slot, s->seats[3]), 7);
    s->seats[0] = NULL;
    assert_int_equal(shm_connections(s, slot, NULL), 6);
    assert_int_equal(shm_connections(s, 1, NULL), 0);
    assert_int_equal(shm_connections(s, 2, NULL), 0);
    s->n_seats = 0;
    assert_int_equal(shm_connections(s, slot, NULL), 0);
    s->n_seats = 4;
    s->seats[0] = shm_map(f->seat_fd[0], shm_seat_bytes(2, 1), true);
    fixture_free(f);
}

/* Every word goes where its kind says, and a sum over all is the same as before but for gauges. */
static void fold(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(4, 2, 2);
    struct shm *s = &f->shm;
    uint32_t slot = fixture_backend(f, "a");
    for (uint32_t i = 0; i < 2; i++) {
        struct shm_seat *seat = fixture_sit(f, i);
        fill_backend_cell(fixture_cell(f, i, slot), i ? 40 : 90);
        fill_listener_cell(fixture_listener(f, i, 0), i ? 400 : 900);
        fill_pool_cell(fixture_pool(f, i, 0), i ? 4000 : 9000);
        fill_pool_cell(fixture_pool(f, i, 1), i ? 40000 : 90000);
        shm_set(&seat->log_dropped_total, 5 + i);
        shm_set(&seat->connections, 3);
        shm_set(&seat->started_ms, 1);
        shm_set(&seat->heartbeat_ms, 1);
        shm_set(&seat->heap_bytes, 1);
        shm_set32(&seat->accepting, 1);
    }
    for (uint32_t i = 0; i < 2; i++) {
        const struct shm_backend_sum before = backend_sum(f, slot);
        const struct shm_listener_sum l_before = listener_sum(f, 0);
        const struct shm_pool_sum p_before[2] = {pool_sum(f, 0), pool_sum(f, 1)};
        uint64_t held = shm_get(&fixture_listener(f, i, 0)->connections);
        struct shm_backend_cell *cell = fixture_cell(f, i, slot);
        uint64_t gauge_left = before.connections - shm_get(&cell->connections);
        uint64_t open_left = l_before.open - shm_get(&fixture_listener(f, i, 0)->open);
        shm_fold(s, s->seats[i], 5);
        assert_empty(f, s->seats[i]);
        assert_int_equal(shm_get32(&s->supervisor->fold) % 2, 0);

        struct shm_backend_sum after = backend_sum(f, slot);
#define X(kind, name, text) assert_int_equal(after.name, IS_GAUGE(kind) ? gauge_left : before.name);
        SHM_BACKEND_CELLS(X)
#undef X
        assert_memory_equal(after.answers, before.answers, sizeof after.answers);
        const struct shm_pool_sum p_after[2] = {pool_sum(f, 0), pool_sum(f, 1)};
        assert_memory_equal(p_after, p_before, sizeof p_after);
        assert_int_equal(shm_sum_log_dropped(s), 11);
        struct shm_listener_sum l_after = listener_sum(f, 0);
        assert_int_equal(l_after.connections, l_before.connections - held);
        assert_int_equal(l_after.open, open_left);
        assert_int_equal(l_after.accepted_total, l_before.accepted_total);
        assert_int_equal(l_after.opened_total, l_before.opened_total);
        assert_int_equal(l_after.retries_total, l_before.retries_total);
        for (unsigned r = 0; r < SHM_REASONS_MAX; r++)
            assert_int_equal(l_after.ended[r], l_before.ended[r] + (r == 5 ? held : 0));
    }
    const struct shm_seat *retired = shm_retired(s);
    assert_int_equal(shm_get(&retired->log_dropped_total), 11);
    assert_int_equal(shm_get(&retired->connections), 0);
    assert_int_equal(shm_get(&retired->heap_bytes), 0);
    assert_int_equal(shm_get32(&retired->state), SHM_SEAT_FREE);

    /* A worker that had not yet done anything, on a seat that was folded before. */
    const struct shm_listener_sum before = listener_sum(f, 0);
    fixture_sit(f, 0);
    shm_fold(s, s->seats[0], 5);
    const struct shm_listener_sum after = listener_sum(f, 0);
    assert_memory_equal(&before, &after, sizeof before);
    fixture_free(f);
}

/* What was accepted has ended, or is a connection, through any number of deaths. */
static void books_balance(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(1, 1, 1);
    uint64_t accepted = 0;
    for (uint64_t life = 1; life <= 50; life++) {
        struct shm_seat *seat = fixture_sit(f, 0);
        struct shm_listener_cell *c = fixture_listener(f, 0, 0);
        shm_add(&c->accepted_total, life);
        shm_add(&c->opened_total, life / 2);
        shm_add(&c->connections, life - life / 3); /* some have ended by themselves, some never opened */
        shm_add(&c->open, life / 2);
        shm_add(&c->ended[1], life / 3);
        accepted += life;
        for (int dead = 0; dead < 2; dead++) {
            struct shm_listener_sum sum = listener_sum(f, 0);
            uint64_t ended = 0;
            for (unsigned r = 0; r < SHM_REASONS_MAX; r++)
                ended += sum.ended[r];
            assert_int_equal(sum.accepted_total, accepted);
            assert_int_equal(ended + sum.connections, accepted);
            if (dead)
                assert_int_equal(sum.connections, 0);
            else
                shm_fold(&f->shm, seat, SHM_REASONS_MAX - 1);
        }
    }
    fixture_free(f);
}

static void fold_of_old_generations(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(3, 1, 1);
    struct shm *s = &f->shm;
    uint32_t a = fixture_backend(f, "a"), b = fixture_backend(f, "b"), c = fixture_backend(f, "c");
    fixture_sit(f, 0);
    for (uint32_t slot = 0; slot < 3; slot++)
        fill_backend_cell(fixture_cell(f, 0, slot), 10);
    shm_fold(s, s->seats[0], 0);

    fixture_sit(f, 0);
    fill_backend_cell(fixture_cell(f, 0, a), 20);
    fill_backend_cell(fixture_cell(f, 0, c), 20);
    shm_set32(&shm_backend(s, a)->generation, 2); /* the cell is of the one before */
    shm_set32(&shm_backend(s, b)->generation, 2);
    fill_backend_cell(fixture_cell(f, 0, b), 30); /* the retired cell is of the one before */
    shm_set32(&shm_backend(s, c)->generation, 0); /* free */
    shm_fold(s, s->seats[0], 0);
    assert_empty(f, s->seats[0]);

    struct shm_backend_sum sum = backend_sum(f, a);
    assert_true(all_zero(&sum, sizeof sum));
    sum = backend_sum(f, b);
    assert_int_equal(sum.connections, 0);
    assert_int_equal(sum.connections_total, 31);
    assert_int_equal(sum.connections_peak, 32);
    assert_int_equal(sum.bytes_out, 38);
    assert_int_equal(sum.answers[0], 39);
    sum = backend_sum(f, c);
    assert_true(all_zero(&sum, sizeof sum));
    fixture_free(f);
}

/* A reason that the table has no room for is a fault of the caller's; it mustn't write beyond. */
static void fold_of_unknown_reason(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(1, 2, 1);
    struct shm_seat *seat = fixture_sit(f, 0);
    shm_add(&fixture_listener(f, 0, 0)->connections, 3);
    shm_fold(&f->shm, seat, SHM_REASONS_MAX);
    assert_empty(f, seat);
    struct shm_listener_sum sum = listener_sum(f, 0);
    assert_true(all_zero(&sum, sizeof sum));
    sum = listener_sum(f, 1);
    assert_true(all_zero(&sum, sizeof sum));
    fixture_free(f);
}

static void refused(void **state)
{
    (void)state;
    struct shm_backend_sum sum = {.handshakes_total = 9};
    sum.answers[SHM_CODE_101] = 100;
    assert_int_equal(shm_refused(&sum), 0);
    sum.answers[SHM_CODE_404] = 2;
    sum.answers[SHM_CODE_OTHER] = 3;
    assert_int_equal(shm_refused(&sum), 5);
}

static uint64_t allocated_bytes(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

/* Segments are sized for the most and cost what is used: neither sums nor folds walk beyond n_slots and
 * n_pools. */
static void sparse(void **state)
{
    (void)state;
    const uint64_t few = 64u << 10;
    struct fixture *f = fixture_new(100000, 4, 2);
    struct shm *s = &f->shm;
    uint32_t slot = fixture_backend(f, "a");
    fixture_sit(f, 0);
    fixture_sit(f, 1);
    fill_backend_cell(fixture_cell(f, 0, slot), 1);
    assert_true(shm_seat_bytes(100000, 4) > 8u << 20);
    for (int i = 0; i < 3; i++) {
        backend_sum(f, slot);
        listener_sum(f, 3);
        pool_sum(f, 1);
        shm_connections(s, slot, NULL);
        shm_fold(s, fixture_sit(f, 0), 1);
    }
    assert_true(allocated_bytes(f->supervisor_fd) <= few);
    assert_true(allocated_bytes(f->seat_fd[0]) <= few);
    assert_true(allocated_bytes(f->seat_fd[1]) <= few);
    fixture_free(f);
}

/* The supervisor was killed inside a fold: readers wait for it once, bounded, and take what is there. */
static void fold_never_ends(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(1, 1, 1);
    uint32_t slot = fixture_backend(f, "a");
    fixture_sit(f, 0);
    shm_add(&fixture_cell(f, 0, slot)->connections_total, 6);
    shm_add(&fixture_listener(f, 0, 0)->accepted_total, 7);
    pauses = 0;
    shm_set32(&f->shm.supervisor->fold, 4001);
    assert_int_equal(backend_sum(f, slot).connections_total, 6);
    assert_in_range(pauses, 1, 10000);
    unsigned once = pauses;
    assert_int_equal(listener_sum(f, 0).accepted_total, 7);
    assert_int_equal(backend_sum(f, slot).connections_total, 6);
    assert_int_equal(pauses, once);
    /* It lived after all, or is another one: waited for again. */
    shm_set32(&f->shm.supervisor->fold, 4003);
    assert_int_equal(listener_sum(f, 0).accepted_total, 7);
    assert_true(pauses > once);
    shm_set32(&f->shm.supervisor->fold, 4004);
    once = pauses;
    assert_int_equal(backend_sum(f, slot).connections_total, 6);
    assert_int_equal(pauses, once);
    fixture_free(f);
}

/* ---- readers beside a fold ---- */

#define READERS 2
#define SUMS    200000u
#define LIVES   200000u

struct race {
    struct fixture *f;
    uint32_t slot;
    shm_u64 low, high; /* what a sum that begins now is at least, what one that ends now is at most */
    shm_u64 lives;
    shm_u32 wrong;
    shm_u32 over; /* readers */
};
struct reader {
    struct race *race;
    struct quiet quiet;
};

static bool one_sum(struct race *r, bool of_listener)
{
    uint64_t low = atomic_load(&r->low), total, booked;
    if (of_listener) {
        struct shm_listener_sum sum;
        shm_sum_listener(&r->f->shm, 0, &sum);
        total = sum.accepted_total;
        booked = sum.connections + sum.ended[1] + sum.ended[9];
    } else {
        struct shm_backend_sum sum;
        shm_sum_backend(&r->f->shm, r->slot, &sum);
        total = sum.connections_total;
        booked = sum.bytes_in / 3;
    }
    uint64_t high = atomic_load(&r->high);
    return total >= low && total <= high && booked >= low && booked <= high;
}

static void *reader(void *arg)
{
    struct reader *me = arg;
    struct race *r = me->race;
    quiet = &me->quiet;
    for (unsigned n = 0; (n < SUMS || shm_get(&r->lives) < LIVES) && !shm_get32(&r->wrong); n++) {
        if (!one_sum(r, n % 2))
            shm_set32(&r->wrong, 1);
        shm_set32(&me->quiet.wanted, 0);
    }
    atomic_fetch_add(&r->over, 1);
    return NULL;
}

/* One life of a worker, of which the readers must never see a part twice or not at all. A connection is
 * counted before it is there and booked in one word, so no sum of ours ever loses one. */
static void life(struct race *r, uint64_t n)
{
    struct shm_seat *seat = fixture_sit(r->f, 0);
    struct shm_backend_cell *b = fixture_cell(r->f, 0, r->slot);
    struct shm_listener_cell *l = fixture_listener(r->f, 0, 0);
    atomic_store(&r->high, shm_get(&r->high) + n);
    shm_add(&b->connections_total, n);
    shm_add(&b->bytes_in, 3 * n);
    shm_add(&l->accepted_total, n);
    shm_add(n % 2 ? &l->connections : &l->ended[1], n);
    atomic_store(&r->low, shm_get(&r->low) + n);
    shm_fold(&r->f->shm, seat, 9);
}

static void readers_beside_a_fold(void **state)
{
    (void)state;
    struct race r = {.f = fixture_new(8, 1, 1)};
    struct reader readers[READERS];
    pthread_t threads[READERS];
    for (unsigned i = 0; i < 8; i++)
        r.slot = fixture_backend(r.f, "a");
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct reader){&r, {0, &r.f->shm.supervisor->fold}};
        assert_int_equal(pthread_create(&threads[i], NULL, reader, &readers[i]), 0);
    }
    while (shm_get32(&r.over) < READERS) {
        for (unsigned i = 0; i < READERS; i++)
            while (shm_get32(&readers[i].quiet.wanted))
                sched_yield();
        life(&r, shm_get(&r.lives) % 1000 + 1);
        shm_add(&r.lives, 1);
    }
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    assert_false(shm_get32(&r.wrong));
    assert_true(one_sum(&r, true) && one_sum(&r, false));
    fixture_free(r.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sum_of_seats),
        cmocka_unit_test(other_generation),
        cmocka_unit_test(connections),
        cmocka_unit_test(fold),
        cmocka_unit_test(books_balance),
        cmocka_unit_test(fold_of_old_generations),
        cmocka_unit_test(fold_of_unknown_reason),
        cmocka_unit_test(refused),
        cmocka_unit_test(sparse),
        cmocka_unit_test(fold_never_ends),
        cmocka_unit_test(readers_beside_a_fold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
