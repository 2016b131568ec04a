#include "fleet.h"

#include <math.h>

/* The two candidates differ, so that of two nodes the less loaded always wins. */
static void test_of_two_the_less_loaded(void **state)
{
    (void)state;
    static const uint32_t weights[] = {1, 256};
    struct fleet f = fleet_make("power-of-two", 2, weights, 1);
    for (int i = 0; i < 1000; i++) {
        f.view.nodes[0].connections = 1;
        f.view.nodes[1].connections = 256;
        assert_int_equal(fleet_pick(&f), 1); /* 2/1 against 257/256 */
        f.view.nodes[1].connections = UINT32_MAX;
        assert_int_equal(fleet_pick(&f), 0);
    }
    fleet_free(&f);
}

static void test_the_most_loaded_is_never_chosen(void **state)
{
    (void)state;
    struct fleet f = fleet_make("power-of-two", 10, NULL, 2);
    f.view.nodes[4].connections = 1;
    for (int i = 0; i < 10000; i++)
        assert_true(fleet_pick(&f) != 4);
    fleet_free(&f);
}

static void test_ties_are_fair(void **state)
{
    (void)state;
    enum { PICKS = 100000 };
    struct fleet f = fleet_make("power-of-two", 5, NULL, 3);
    unsigned counts[5] = {0};
    for (int i = 0; i < PICKS; i++)
        counts[fleet_pick(&f)]++;
    for (int i = 0; i < 5; i++)
        assert_true(fabs(counts[i] - PICKS / 5.0) < 4 * sqrt(PICKS * 0.2 * 0.8));

    fleet_free(&f);
}

/* The third number decides, and not the order in which they were drawn: that prefers the heavier one. */
static void test_ties_of_uneven_ones_are_fair(void **state)
{
    (void)state;
    enum { PICKS = 100000 };
    static const uint32_t weights[] = {1, 3};
    struct fleet f = fleet_make("power-of-two", 2, weights, 5);
    unsigned counts[2] = {0};
    f.view.nodes[1].connections = 2;
    for (int i = 0; i < PICKS; i++)
        counts[fleet_pick(&f)]++;
    assert_true(fabs(counts[0] - PICKS / 2.0) < 4 * sqrt(PICKS * 0.25));
    fleet_free(&f);
}

/* Candidates are drawn by weight: the lightest of equals in load is a candidate as often as its weight says.
 */
static void test_candidates_by_weight(void **state)
{
    (void)state;
    enum { PICKS = 200000 };
    static const uint32_t weights[] = {1, 4, 5};
    struct fleet f = fleet_make("power-of-two", 3, weights, 4);
    unsigned counts[3] = {0};
    f.view.nodes[0].connections = 0; /* wins whenever it is drawn */
    f.view.nodes[1].connections = 400;
    f.view.nodes[2].connections = 500;
    for (int i = 0; i < PICKS; i++)
        counts[fleet_pick(&f)]++;
    double p = 0.1 + 0.4 * (1 / 6.0) + 0.5 * (1 / 5.0);
    assert_true(fabs(counts[0] - PICKS * p) < 4 * sqrt(PICKS * p * (1 - p)));
    fleet_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_two_the_less_loaded), cmocka_unit_test(test_the_most_loaded_is_never_chosen),
        cmocka_unit_test(test_ties_are_fair),          cmocka_unit_test(test_ties_of_uneven_ones_are_fair),
        cmocka_unit_test(test_candidates_by_weight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
