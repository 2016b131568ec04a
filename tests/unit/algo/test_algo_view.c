#include "algo/algo.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/rng.h"

/* malloc and not an array: the sanitizer then sees a byte written beyond algo_view_bytes. */
static struct algo_view make_view(uint32_t n)
{
    struct algo_view view;
    void *memory = calloc(1, algo_view_bytes(n));
    assert_true(memory || n == 0);
    algo_view_init(&view, memory, n);
    assert_int_equal(view.n, n);
    assert_int_equal(view.n_usable, 0);
    assert_true(view.weight_usable == 0);
    return view;
}

/* The same by a look at all: the node that holds the at-th unit of weight among the usable ones but `except`.
 */
static int naive_sample(const struct algo_view *view, uint64_t random, int except)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < view->n; i++)
        if (view->nodes[i].usable && (int)i != except)
            total += view->nodes[i].weight;
    uint64_t at = (uint64_t)(((unsigned __int128)random * total) >> 64);
    for (uint32_t i = 0; i < view->n; i++) {
        if (!view->nodes[i].usable || (int)i == except)
            continue;
        if (at < view->nodes[i].weight)
            return (int)i;
        at -= view->nodes[i].weight;
    }
    return ALGO_NONE;
}

static void check_sums(const struct algo_view *view)
{
    uint32_t n_usable = 0;
    uint64_t weight = 0;
    for (uint32_t i = 0; i < view->n; i++) {
        n_usable += view->nodes[i].usable;
        weight += view->nodes[i].usable ? view->nodes[i].weight : 0;
    }
    assert_int_equal(view->n_usable, n_usable);
    assert_true(view->weight_usable == weight);
}

static void change_something(struct algo_view *view, struct rng *r)
{
    uint32_t i = (uint32_t)rng_below(r, view->n);
    if (rng_below(r, 2))
        algo_view_set_usable(view, i, rng_below(r, 2));
    else
        algo_view_set_weight(view, i, 1 + (uint32_t)rng_below(r, rng_below(r, 2) ? 3 : ALGO_WEIGHT_MAX));
}

static void test_sample_against_a_look_at_all(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 33, 64, 100};
    struct rng r;
    rng_seed(&r, 1);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        uint32_t n = sizes[s];
        struct algo_view view = make_view(n);
        for (uint32_t i = 0; i < n; i++)
            algo_view_set_weight(&view, i, 1 + (uint32_t)rng_below(&r, ALGO_WEIGHT_MAX));
        for (int k = 0; k < 4000; k++) {
            change_something(&view, &r);
            check_sums(&view);
            uint64_t random = rng_below(&r, 8) == 0 ? UINT64_MAX : rng_below(&r, 8) == 0 ? 0 : rng_next(&r);
            int except = (int)rng_below(&r, n + 1) - 1;
            assert_int_equal(algo_view_sample(&view, random, except), naive_sample(&view, random, except));
        }
        free(view.nodes);
    }
}

/* Every unit of weight is met once when `random` goes through their middles. */
static void test_every_unit_of_weight_is_met(void **state)
{
    (void)state;
    static const uint32_t weights[] = {1, 256, 3, 7, 1, 90};
    struct algo_view view = make_view(6);
    unsigned met[6] = {0};
    for (uint32_t i = 0; i < 6; i++) {
        algo_view_set_weight(&view, i, weights[i]);
        algo_view_set_usable(&view, i, i != 3);
    }
    uint64_t total = view.weight_usable;
    assert_true(total == 1 + 256 + 3 + 1 + 90);
    for (uint64_t unit = 0; unit < total; unit++) {
        uint64_t random = UINT64_MAX / total * unit + UINT64_MAX / total / 2;
        met[algo_view_sample(&view, random, ALGO_NONE)]++;
    }
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(met[i], i == 3 ? 0 : weights[i]);
    free(view.nodes);
}

static void test_nobody_to_sample(void **state)
{
    (void)state;
    struct algo_view none = make_view(0), view = make_view(3);
    assert_int_equal(algo_view_sample(&none, 5, ALGO_NONE), ALGO_NONE);
    assert_int_equal(algo_view_sample(&none, 5, 0), ALGO_NONE);
    for (uint32_t i = 0; i < 3; i++)
        algo_view_set_weight(&view, i, 10);
    assert_int_equal(algo_view_sample(&view, 5, ALGO_NONE), ALGO_NONE);
    algo_view_set_usable(&view, 1, true);
    algo_view_set_usable(&view, 1, true);
    assert_int_equal(view.n_usable, 1);
    assert_int_equal(algo_view_sample(&view, UINT64_MAX, ALGO_NONE), 1);
    assert_int_equal(algo_view_sample(&view, 5, 1), ALGO_NONE);
    assert_int_equal(algo_view_sample(&view, 5, 0),
                     1); /* to leave out one that isn't usable changes nothing */
    assert_int_equal(algo_view_sample(&view, 5, 77), 1);
    algo_view_set_usable(&view, 1, false);
    algo_view_set_usable(&view, 1, false);
    assert_int_equal(view.n_usable, 0);
    assert_int_equal(algo_view_sample(&view, 5, ALGO_NONE), ALGO_NONE);
    free(none.nodes);
    free(view.nodes);
}

static int compare(uint32_t connections_a, uint32_t weight_a, uint32_t connections_b, uint32_t weight_b)
{
    struct algo_node a = {.connections = connections_a, .weight = weight_a};
    struct algo_node b = {.connections = connections_b, .weight = weight_b};
    int order = algo_view_compare(&a, &b);
    assert_int_equal(algo_view_compare(&b, &a), -order);
    return order;
}

static void test_compare(void **state)
{
    (void)state;
    assert_true(compare(0, 1, 1, 1) < 0);
    assert_true(compare(5, 1, 5, 1) == 0);
    assert_true(compare(0, 2, 0, 1) < 0); /* among empty ones the heavier comes first */
    assert_true(compare(1, 2, 0, 1) == 0);
    assert_true(compare(2, 2, 0, 1) > 0);
    assert_true(compare(UINT32_MAX, 256, UINT32_MAX, 255) < 0);
    assert_true(compare(UINT32_MAX, 256, UINT32_MAX - 1, 256) > 0);
    assert_true(compare(UINT32_MAX, 1, 0, 1) > 0);
    assert_true(compare(UINT32_MAX, 256, 16777215, 1) == 0); /* 2^32 / 256 = 2^24 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample_against_a_look_at_all),
        cmocka_unit_test(test_every_unit_of_weight_is_met),
        cmocka_unit_test(test_nobody_to_sample),
        cmocka_unit_test(test_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
