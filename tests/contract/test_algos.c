/* What every algorithm in algo_list promises (algo/algo.h). A new one is checked by being in the list; only
 * one that draws at random says so here, since its shares are met no closer than chance allows. */
#include "../unit/algo/fleet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define PICKS        100000

static const char *const drawn_at_random[] = {"power-of-two"};

static const uint32_t sizes[] = {0, 1, 2, 3, 1000};

static void random_weights(uint32_t *weights, uint32_t n, uint64_t seed)
{
    struct rng r;
    rng_seed(&r, seed);
    for (uint32_t i = 0; i < n; i++)
        weights[i] = 1 + (uint32_t)rng_below(&r, ALGO_WEIGHT_MAX);
    if (n >= 2) {
        weights[0] = 1;
        weights[1] = ALGO_WEIGHT_MAX;
    }
}

static struct fleet make(void **state, uint32_t n, uint64_t seed)
{
    uint32_t weights[1000];
    random_weights(weights, n, seed);
    return fleet_make(((const struct algo *)*state)->name, n, weights, seed);
}

static uint32_t some_connections(struct rng *r)
{
    static const uint32_t edges[] = {0, 1, UINT32_MAX - 1, UINT32_MAX};
    return rng_below(r, 2) ? edges[rng_below(r, COUNT(edges))] : (uint32_t)rng_below(r, 100);
}

/* Something that happens to a pool between two picks. `may_build`: also what asks for a build. */
static void change_something(struct fleet *f, struct rng *r, bool may_build)
{
    if (f->view.n == 0)
        return;
    uint32_t i = (uint32_t)rng_below(r, f->view.n);
    switch (rng_below(r, 8)) {
    case 0: /* a whole zone goes or comes back */
        for (uint32_t k = 0; k < f->view.n; k++)
            algo_view_set_usable(&f->view, k, rng_below(r, 3) == 0);
        break;
    case 1: /* all are gone */
        for (uint32_t k = 0; k < f->view.n; k++)
            algo_view_set_usable(&f->view, k, false);
        break;
    case 2:
        if (may_build) {
            algo_view_set_weight(&f->view, i, 1 + (uint32_t)rng_below(r, ALGO_WEIGHT_MAX));
            f->algo->build(f->state, &f->view, 7);
        }
        break;
    case 3:
    case 4:
        f->view.nodes[i].connections = some_connections(r);
        break;
    default:
        algo_view_set_usable(&f->view, i, !f->view.nodes[i].usable);
        break;
    }
}

static void answers_only_what_is_usable(void **state)
{
    for (size_t s = 0; s < COUNT(sizes); s++) {
        struct fleet f = make(state, sizes[s], 1);
        struct rng r;
        rng_seed(&r, s);
        for (int i = 0; i < 5000; i++) {
            change_something(&f, &r, true);
            for (int k = 0; k < 3; k++) {
                int at = fleet_pick(&f);
                if (f.view.n_usable == 0) {
                    assert_int_equal(at, ALGO_NONE);
                } else {
                    assert_true(at >= 0 && (uint32_t)at < f.view.n);
                    assert_true(f.view.nodes[at].usable);
                }
            }
        }
        fleet_free(&f);
    }
}

static void finds_the_only_one(void **state)
{
    for (size_t s = 1; s < COUNT(sizes); s++) {
        struct fleet f = make(state, sizes[s], 2);
        struct rng r;
        rng_seed(&r, s);
        for (uint32_t i = 0; i < f.view.n; i++) {
            algo_view_set_usable(&f.view, i, false);
            f.view.nodes[i].connections = some_connections(&r);
        }
        for (uint32_t i = 0; i < f.view.n; i++) {
            algo_view_set_usable(&f.view, i, true);
            for (int k = 0; k < 20; k++)
                assert_int_equal(fleet_pick(&f), i);
            algo_view_set_usable(&f.view, i, false);
        }
        assert_int_equal(fleet_pick(&f), ALGO_NONE);
        fleet_free(&f);
    }
}

static void leaves_the_view_as_it_is(void **state)
{
    for (size_t s = 1; s < COUNT(sizes); s++) {
        struct fleet f = make(state, sizes[s], 3);
        struct rng r;
        rng_seed(&r, s);
        size_t bytes = algo_view_bytes(f.view.n);
        void *before = malloc(bytes);
        assert_non_null(before);
        for (int i = 0; i < 1000; i++) {
            change_something(&f, &r, false);
            struct algo_view view = f.view;
            memcpy(before, f.view.nodes, bytes);
            if (i % 2)
                fleet_pick(&f);
            else
                f.algo->build(f.state, &f.view, (uint64_t)i);
            assert_memory_equal(&f.view, &view, sizeof view);
            assert_int_equal(memcmp(f.view.nodes, before, bytes), 0);
        }
        free(before);
        fleet_free(&f);
    }
}

static void replays(void **state)
{
    for (size_t s = 0; s < COUNT(sizes); s++) {
        struct fleet a = make(state, sizes[s], 4), b = make(state, sizes[s], 4);
        struct rng ra, rb;
        rng_seed(&ra, s);
        rng_seed(&rb, s);
        for (int i = 0; i < 5000; i++) {
            change_something(&a, &ra, true);
            change_something(&b, &rb, true);
            assert_int_equal(fleet_pick(&a), fleet_pick(&b));
        }
        size_t bytes = a.algo->state_bytes(a.view.n);
        assert_true(bytes == 0 || memcmp(a.state, b.state, bytes) == 0);
        fleet_free(&a);
        fleet_free(&b);
    }
}

/* Places PICKS connections from nothing and compares what each node got with its share of the usable weight.
 */
static void expect_shares(struct fleet *f)
{
    bool at_random = false;
    for (size_t i = 0; i < COUNT(drawn_at_random); i++)
        at_random |= strcmp(f->algo->name, drawn_at_random[i]) == 0;
    for (uint32_t i = 0; i < f->view.n; i++)
        f->view.nodes[i].connections = 0;
    for (int i = 0; i < PICKS; i++) {
        int at = fleet_pick(f);
        assert_true(at >= 0);
        f->view.nodes[at].connections++;
    }
    for (uint32_t i = 0; i < f->view.n; i++) {
        const struct algo_node *node = &f->view.nodes[i];
        double share = node->usable ? (double)node->weight / (double)f->view.weight_usable : 0.0;
        double expected = PICKS * share;
        /* A place or two more or less are no error where few are expected. */
        double tolerance = at_random ? 4 * sqrt(PICKS * share * (1 - share)) + 1 : 0.02 * expected + 2;
        if (!node->usable)
            tolerance = 0;
        if (fabs(node->connections - expected) > tolerance)
            fail_msg("node %u of %u, weight %u: %u connections, not %.1f +- %.1f", i, f->view.n, node->weight,
                     node->connections, expected, tolerance);
    }
}

static void meets_weights(void **state)
{
    static const uint32_t few[][3] = {{1, 1, 1}, {1, 2, 3}, {256, 1, 1}, {256, 256, 1}, {5, 1, 1}};
    for (size_t s = 1; s < COUNT(sizes); s++) {
        struct fleet f = make(state, sizes[s], 5);
        expect_shares(&f);
        fleet_free(&f);
    }
    for (size_t i = 0; i < COUNT(few); i++) {
        for (uint32_t n = 1; n <= 3; n++) {
            struct fleet f = fleet_make(((const struct algo *)*state)->name, n, few[i], i);
            expect_shares(&f);
            fleet_free(&f);
        }
    }
}

static void meets_weights_when_some_are_down_without_a_build(void **state)
{
    struct fleet f = make(state, 30, 6);
    for (uint32_t i = 0; i < f.view.n; i += 3)
        algo_view_set_usable(&f.view, i, false);
    expect_shares(&f);
    for (uint32_t i = 0; i < f.view.n; i++)
        algo_view_set_usable(&f.view, i, i % 3 != 1);
    expect_shares(&f);
    for (uint32_t i = 0; i < f.view.n; i++)
        algo_view_set_usable(&f.view, i, i < 4);
    expect_shares(&f);
    fleet_free(&f);
}

static void meets_new_weights_after_a_build(void **state)
{
    struct fleet f = make(state, 30, 7);
    expect_shares(&f);
    uint32_t weights[30];
    random_weights(weights, 30, 8);
    for (uint32_t i = 0; i < f.view.n; i++)
        algo_view_set_weight(&f.view, i, weights[i]);
    f.algo->build(f.state, &f.view, 7);
    expect_shares(&f);
    for (uint32_t i = 0; i < f.view.n; i++)
        algo_view_set_weight(&f.view, i, 1);
    f.algo->build(f.state, &f.view, 7);
    expect_shares(&f);
    fleet_free(&f);
}

static void is_whole(void **state)
{
    const struct algo *a = *state;
    assert_true(a->state_bytes && a->build && a->pick && a->help[0]);
    assert_ptr_equal(algo_find(a->name), a);
    unsigned same_name = 0;
    for (size_t i = 0; algo_list[i]; i++)
        same_name += strcmp(algo_list[i]->name, a->name) == 0;
    assert_int_equal(same_name, 1);
}

#define CASE(f)                                                                                              \
    {                                                                                                        \
#f, f                                                                                                \
    }
static const struct {
    const char *name;
    CMUnitTestFunction run;
} cases[] = {
    CASE(is_whole),
    CASE(answers_only_what_is_usable),
    CASE(finds_the_only_one),
    CASE(leaves_the_view_as_it_is),
    CASE(replays),
    CASE(meets_weights),
    CASE(meets_weights_when_some_are_down_without_a_build),
    CASE(meets_new_weights_after_a_build),
};

int main(void)
{
    static struct CMUnitTest tests[100 * COUNT(cases)];
    static char names[COUNT(tests)][128];
    size_t n = 0;
    for (size_t a = 0; algo_list[a]; a++) {
        if (n + COUNT(cases) > COUNT(tests))
            return 1; /* there is an algorithm that wouldn't be checked */
        for (size_t c = 0; c < COUNT(cases); c++, n++) {
            snprintf(names[n], sizeof names[n], "%s %s", algo_list[a]->name, cases[c].name);
            union {
                const struct algo *algo;
                void *state;
            } to_state = {.algo = algo_list[a]};
            tests[n] = (struct CMUnitTest){
                .name = names[n], .test_func = cases[c].run, .initial_state = to_state.state};
        }
    }
    if (n == 0)
        return 1;
    return _cmocka_run_group_tests("algorithms", tests, n, NULL, NULL);
}
