#include "fleet.h"

#include <math.h>

static void test_the_least_loaded_wins(void **state)
{
    (void)state;
    static const uint32_t weights[] = {1, 2, 4, 1};
    static const struct {
        uint32_t connections[4];
        int answer;
    } cases[] = {
        {{0, 0, 0, 0}, 2},
        {{0, 1, 3, 1}, 0 /* or 1 or 2: a tie */},
        {{9, 4, 40, 9}, 1},
        {{9, 40, 39, 8}, 3},
        {{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, 2},
        {{UINT32_MAX, UINT32_MAX, UINT32_MAX, 0}, 3},
        {{UINT32_MAX - 1, UINT32_MAX, UINT32_MAX, 2147483646}, 2},
    };
    struct fleet f = fleet_make("least-connections", 4, weights, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int k = 0; k < 4; k++)
            f.view.nodes[k].connections = cases[i].connections[k];
        int at = fleet_pick(&f);
        if (i == 1)
            assert_true(at >= 0 && at <= 2);
        else
            assert_int_equal(at, cases[i].answer);
    }
    fleet_free(&f);
}

/* All that tie are equally likely, wherever they stand among those that don't. */
static void test_ties_are_fair(void **state)
{
    (void)state;
    enum { N = 60, PICKS = 100000 };
    struct fleet f = fleet_make("least-connections", N, NULL, 2);
    unsigned counts[N] = {0};
    int tied = 0;
    for (uint32_t i = 0; i < N; i++) {
        f.view.nodes[i].connections = i % 3 == 1 ? 7 : 8 + i;
        tied += i % 3 == 1;
        if (i == 31)
            algo_view_set_usable(&f.view, i, false); /* 31 % 3 == 1: it would have tied */
    }
    tied--;
    for (int i = 0; i < PICKS; i++)
        counts[fleet_pick(&f)]++;
    double p = 1.0 / tied, sigma = sqrt(PICKS * p * (1 - p));
    for (int i = 0; i < N; i++) {
        if (i % 3 == 1 && i != 31)
            assert_true(fabs(counts[i] - PICKS * p) < 4 * sigma);
        else
            assert_int_equal(counts[i], 0);
    }
    fleet_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_least_loaded_wins),
        cmocka_unit_test(test_ties_are_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
