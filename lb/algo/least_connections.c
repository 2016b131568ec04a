/* The usable node with the fewest connections over weight. All that tie are equally likely: were it the first
 * of them, all workers would send their next clients to the same place. */
#include "algo/algo.h"

#include "algo/mix.h"

static size_t state_bytes(uint32_t n)
{
    (void)n;
    return 0;
}

/* All that counts is in the view, and changes from pick to pick. */
static void build(void *state, const struct algo_view *view, uint64_t seed)
{
    (void)state, (void)view, (void)seed;
}

static int pick(void *state, const struct algo_view *view, const struct algo_question *q)
{
    (void)state;
    int best = ALGO_NONE;
    uint64_t ties = 0;
    uint64_t stream = q->random[0]; /* a number for each tie; the question has four */
    for (uint32_t i = 0; i < view->n; i++) {
        if (!view->nodes[i].usable)
            continue;
        int order = best == ALGO_NONE ? -1 : algo_view_compare(&view->nodes[i], &view->nodes[best]);
        if (order > 0)
            continue;
        ties = order < 0 ? 1 : ties + 1;
        /* The k-th that ties takes the place with probability 1/k, which is fair to all of them. */
        if (ties == 1 || mix_scale(mix_next(&stream), ties) == 0)
            best = (int)i;
    }
    return best;
}

const struct algo least_connections_algo = {
    .name = "least-connections",
    .help = "the backend with the fewest connections over its weight",
    .state_bytes = state_bytes,
    .build = build,
    .pick = pick,
};
