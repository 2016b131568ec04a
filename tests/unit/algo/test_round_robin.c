#include "fleet.h"

static void test_smooth(void **state)
{
    (void)state;
    static const uint32_t weights[] = {5, 1, 1};
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct fleet f = fleet_make("round-robin", 3, weights, seed);
        unsigned counts[3] = {0}, in_a_row = 0;
        int last = ALGO_NONE;
        for (int round = 1; round <= 20; round++) {
            for (int i = 0; i < 7; i++) {
                int at = fleet_pick(&f);
                in_a_row = at == last ? in_a_row + 1 : 1;
                last = at;
                counts[at]++;
                assert_true(in_a_row <= 4);
            }
            for (uint32_t i = 0; i < 3; i++)
                assert_true(abs((int)counts[i] - round * (int)weights[i]) <= 1);
        }
        fleet_free(&f);
    }
}

static void test_equal_ones_take_turns(void **state)
{
    (void)state;
    struct fleet f = fleet_make("round-robin", 10, NULL, 3);
    int order[10], seen = 0;
    for (int i = 0; i < 10; i++) {
        order[i] = fleet_pick(&f);
        seen |= 1 << order[i];
    }
    assert_int_equal(seen, 1023);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(fleet_pick(&f), order[i % 10]);
    fleet_free(&f);
}

static void test_workers_begin_at_different_nodes(void **state)
{
    (void)state;
    enum { WORKERS = 1000 };
    static const uint32_t uneven[] = {5, 1, 1};
    unsigned first_even[4] = {0}, first_uneven[3] = {0};
    for (uint64_t seed = 0; seed < WORKERS; seed++) {
        struct fleet f = fleet_make("round-robin", 4, NULL, seed);
        first_even[fleet_pick(&f)]++;
        fleet_free(&f);
        f = fleet_make("round-robin", 3, uneven, seed);
        first_uneven[fleet_pick(&f)]++;
        fleet_free(&f);
    }
    for (int i = 0; i < 4; i++)
        assert_true(first_even[i] > WORKERS / 4 - 100 && first_even[i] < WORKERS / 4 + 100);
    for (int i = 0; i < 3; i++)
        assert_true(first_uneven[i] > WORKERS / 40);
}

/* A slow start raises a weight every second: the round goes on, or the last ones would never be met. */
static void test_building_again_doesnt_begin_again(void **state)
{
    (void)state;
    struct fleet f = fleet_make("round-robin", 10, NULL, 1);
    unsigned counts[10] = {0};
    for (int i = 0; i < 1000; i++) {
        counts[fleet_pick(&f)]++;
        algo_view_set_weight(&f.view, 0, 1 + (i & 1));
        f.algo->build(f.state, &f.view, 1);
    }
    for (int i = 1; i < 10; i++)
        assert_true(counts[i] >= 80 && counts[i] <= 110);
    fleet_free(&f);
}

/* Ten thousand picks of one node are no debt that the few who are left afterwards must wait for. */
static void test_old_debts_are_forgotten(void **state)
{
    (void)state;
    uint32_t weights[1000];
    for (int i = 0; i < 1000; i++)
        weights[i] = ALGO_WEIGHT_MAX;
    weights[0] = weights[1] = 1;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct fleet f = fleet_make("round-robin", 1000, weights, seed);
        for (int i = 0; i < 5000; i++)
            fleet_pick(&f);
        for (uint32_t i = 2; i < 1000; i++)
            algo_view_set_usable(&f.view, i, false);
        int counts[2] = {0};
        for (int i = 0; i < 40; i++)
            counts[fleet_pick(&f)]++;
        assert_true(abs(counts[0] - counts[1]) <= 4);
        fleet_free(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smooth),
        cmocka_unit_test(test_equal_ones_take_turns),
        cmocka_unit_test(test_workers_begin_at_different_nodes),
        cmocka_unit_test(test_building_again_doesnt_begin_again),
        cmocka_unit_test(test_old_debts_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
