/* The filter before every algorithm, on real tables with two workers' seats in one process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/candidates.h"

#define BACKENDS 3
#define SLOTS    8

struct world {
    struct shm shm;
    struct config config;
    struct config_pool pool;
    struct rng rng;
    struct candidates a, b; /* two workers */
    uint64_t ids[BACKENDS];
    uint64_t now;
};

static void *segment(size_t bytes)
{
    int fd = shm_make("test", bytes);
    assert_true(fd >= 0);
    void *p = shm_map(fd, bytes, true);
    assert_non_null(p);
    close(fd);
    return p;
}

static int setup(void **state)
{
    struct world *w = test_calloc(1, sizeof *w);
    w->shm = (struct shm){.max_backends = SLOTS, .n_listeners = 1, .n_seats = 2};
    w->shm.supervisor = segment(shm_supervisor_bytes(SLOTS, 1));
    w->shm.director = segment(shm_director_bytes(SLOTS));
    for (unsigned i = 0; i < 2; i++) {
        w->shm.seats[i] = segment(shm_seat_bytes(SLOTS, 1));
        shm_set32(&w->shm.seats[i]->state, SHM_SEAT_UP);
    }
    for (unsigned i = 0; i < BACKENDS; i++) {
        struct shm_backend row = {.pool = 0, .weight = 1, .backup = i == 2};
        snprintf(row.name, sizeof row.name, "b%u", i);
        w->ids[i] = shm_backend_add(&w->shm, &row);
        assert_int_not_equal(w->ids[i], 0);
    }
    w->pool.algorithm = algo_find("least-connections");
    w->pool.close_rate_per_s = 100;
    w->config.pools = &w->pool;
    w->config.n_pools = 1;
    w->now = 1000000;
    rng_seed(&w->rng, 1);
    assert_true(candidates_init(&w->a, &w->config, &w->shm, w->shm.seats[0], &w->rng));
    assert_true(candidates_init(&w->b, &w->config, &w->shm, w->shm.seats[1], &w->rng));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    candidates_fini(&w->a);
    candidates_fini(&w->b);
    munmap(w->shm.supervisor, shm_supervisor_bytes(SLOTS, 1));
    munmap(w->shm.director, shm_director_bytes(SLOTS));
    for (unsigned i = 0; i < 2; i++)
        munmap(w->shm.seats[i], shm_seat_bytes(SLOTS, 1));
    test_free(w);
    return 0;
}

/* The index of the backend that was picked, or -1. */
static int pick(struct world *w, struct candidates *k, const uint32_t *tried, uint32_t n_tried)
{
    uint64_t id = 0;
    struct shm_backend_cell *cell = NULL;
    if (!candidates_pick(k, 0, tried, n_tried, w->now, &id, &cell)) {
        assert_null(cell); /* else a place would be given back that nobody had */
        return -1;
    }
    assert_ptr_equal(cell, shm_backend_cell(&w->shm, k->seat, shm_id_slot(id)));
    for (int i = 0; i < BACKENDS; i++)
        if (w->ids[i] == id)
            return i;
    fail_msg("an id that nobody has");
    return -1;
}

static void release(struct world *w, struct candidates *k, int i)
{
    candidates_release(k, 0, w->ids[i], shm_backend_cell(&w->shm, k->seat, shm_id_slot(w->ids[i])));
}

static uint64_t held(struct world *w, int i)
{
    return shm_connections(&w->shm, shm_id_slot(w->ids[i]), NULL);
}

static void backups_wait_until_no_primary_is_left(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 100; i++)
        assert_int_not_equal(pick(w, &w->a, NULL, 0), 2);
    for (unsigned i = 0; i < 2; i++)
        shm_set32(&shm_backend(&w->shm, shm_id_slot(w->ids[i]))->admin_state, SHM_STATE_MAINT);
    shm_touch(&w->shm);
    assert_int_equal(pick(w, &w->a, NULL, 0), 2);
    shm_set32(&shm_backend(&w->shm, shm_id_slot(w->ids[0]))->admin_state, SHM_STATE_UP);
    shm_touch(&w->shm);
    assert_int_equal(pick(w, &w->a, NULL, 0), 0);
}

static void who_was_tried_is_not_tried_again(void **state)
{
    struct world *w = *state;
    uint32_t tried[BACKENDS];
    for (uint32_t n = 0; n < BACKENDS; n++) {
        int i = pick(w, &w->a, tried, n);
        assert_true(i >= 0);
        for (uint32_t t = 0; t < n; t++)
            assert_int_not_equal(shm_id_slot(w->ids[i]), tried[t]);
        tried[n] = shm_id_slot(w->ids[i]);
    }
    assert_int_equal(pick(w, &w->a, tried, BACKENDS), -1);
    assert_true(pick(w, &w->a, NULL, 0) >= 0); /* and nobody else is harmed by it */
}

static void a_failed_one_is_passed_over_for_a_second_unless_all_did(void **state)
{
    struct world *w = *state;
    candidates_failed(&w->a, 0, w->ids[0], w->now);
    for (int i = 0; i < 50; i++)
        assert_int_equal(pick(w, &w->a, NULL, 0), 1);
    candidates_failed(&w->a, 0, w->ids[1], w->now);
    assert_int_equal(pick(w, &w->a, NULL, 0), 2); /* the backup is better than what just failed */
    candidates_failed(&w->a, 0, w->ids[2], w->now);
    int i = pick(w, &w->a, NULL, 0);
    assert_true(i == 0 || i == 1);
    w->now += CANDIDATES_PASS_OVER_MS;
    bool seen[BACKENDS] = {false};
    for (int n = 0; n < 200; n++)
        seen[pick(w, &w->a, NULL, 0)] = true;
    assert_true(seen[0] && seen[1] && !seen[2]);
}

static void limits_are_exact_over_workers(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 2; i++)
        shm_set(&shm_backend(&w->shm, shm_id_slot(w->ids[i]))->max_connections, 5);
    shm_set32(&shm_backend(&w->shm, shm_id_slot(w->ids[2]))->admin_state, SHM_STATE_DRAIN);
    shm_touch(&w->shm);
    int taken = 0;
    for (int n = 0; n < 40; n++) /* in turn, and without time passing, so that views are old */
        taken += pick(w, n % 2 ? &w->a : &w->b, NULL, 0) >= 0;
    assert_int_equal(taken, 10);
    assert_int_equal(held(w, 0), 5);
    assert_int_equal(held(w, 1), 5);
    release(w, &w->a, 0);
    assert_int_equal(pick(w, &w->a, NULL, 0), 0); /* at once, for who has given it back */
    assert_int_equal(pick(w, &w->b, NULL, 0), -1);
}

static void least_connections_sees_the_other_workers(void **state)
{
    struct world *w = *state;
    int n = 0;
    while (n < 10) { /* worker a fills whichever it likes; b then evens it out */
        n += pick(w, &w->a, (uint32_t[]){shm_id_slot(w->ids[1])}, 1) == 0;
    }
    w->now += CANDIDATES_FRESH_MS;
    for (int i = 0; i < 10; i++)
        assert_int_equal(pick(w, &w->b, NULL, 0), 1);
    assert_int_equal(held(w, 0), 10);
    assert_int_equal(held(w, 1), 10);
}

static void weight_zero_gets_nothing(void **state)
{
    struct world *w = *state;
    shm_set32(&shm_backend(&w->shm, shm_id_slot(w->ids[0]))->weight, 0);
    shm_touch(&w->shm);
    for (int i = 0; i < 50; i++)
        assert_int_equal(pick(w, &w->a, NULL, 0), 1);
}

static void lost_clients_are_told_the_first_at_once_the_rest_at_the_rate(void **state)
{
    struct world *w = *state;
    /* 100 a second over two workers: every 20 ms here */
    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(candidates_lost_turn(&w->a, 0, w->now), w->now + 20 * i);
    assert_int_equal(candidates_lost_turn(&w->a, 0, w->now + 5000), w->now + 5000);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(backups_wait_until_no_primary_is_left),
        CASE(who_was_tried_is_not_tried_again),
        CASE(a_failed_one_is_passed_over_for_a_second_unless_all_did),
        CASE(limits_are_exact_over_workers),
        CASE(least_connections_sees_the_other_workers),
        CASE(weight_zero_gets_nothing),
        CASE(lost_clients_are_told_the_first_at_once_the_rest_at_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
