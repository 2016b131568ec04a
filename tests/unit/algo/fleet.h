/* What the tests of algorithms share: a view of nodes with given weights, all usable, and a state beside it.
 * Both are heap blocks of the exact size, so that the sanitizer sees a byte too many. */
#ifndef TESTS_ALGO_FLEET_H
#define TESTS_ALGO_FLEET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

#include "algo/algo.h"
#include "base/rng.h"

struct fleet {
    const struct algo *algo;
    struct algo_view view;
    void *state;
    struct rng rng;
};

/* The random numbers come from `seed`, too; weights may be NULL: all 1. */
static inline struct fleet fleet_make(const char *algo, uint32_t n, const uint32_t *weights, uint64_t seed)
{
    struct fleet f = {.algo = algo_find(algo)};
    assert_non_null(f.algo);
    void *memory = calloc(1, algo_view_bytes(n));
    f.state = calloc(1, f.algo->state_bytes(n));
    assert_true((memory && f.state) || n == 0);
    algo_view_init(&f.view, memory, n);
    for (uint32_t i = 0; i < n; i++) {
        algo_view_set_weight(&f.view, i, weights ? weights[i] : 1);
        algo_view_set_usable(&f.view, i, true);
    }
    f.algo->build(f.state, &f.view, seed);
    rng_seed(&f.rng, seed);
    return f;
}

static inline int fleet_pick(struct fleet *f)
{
    struct algo_question q;
    for (int i = 0; i < 4; i++)
        q.random[i] = rng_next(&f->rng);
    return f->algo->pick(f->state, &f->view, &q);
}

static inline void fleet_free(struct fleet *f)
{
    free(f->view.nodes);
    free(f->state);
}

#endif
