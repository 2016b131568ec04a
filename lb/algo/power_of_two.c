/* Two candidates drawn in proportion to weight, the less loaded of them wins: nearly as even as looking at
 * all, at a cost that doesn't grow with their number, and however old the counts are no node is everybody's
 * choice. */
#include "algo/algo.h"

static size_t state_bytes(uint32_t n)
{
    (void)n;
    return 0;
}

/* The weights are in the view's tree already. */
static void build(void *state, const struct algo_view *view, uint64_t seed)
{
    (void)state, (void)view, (void)seed;
}

static int pick(void *state, const struct algo_view *view, const struct algo_question *q)
{
    (void)state;
    int first = algo_view_sample(view, q->random[0], ALGO_NONE);
    if (first == ALGO_NONE)
        return ALGO_NONE;
    int second = algo_view_sample(view, q->random[1], first);
    if (second == ALGO_NONE)
        return first;
    int order = algo_view_compare(&view->nodes[first], &view->nodes[second]);
    if (order == 0)
        return q->random[2] & 1 ? first : second;
    return order < 0 ? first : second;
}

const struct algo power_of_two_algo = {
    .name = "power-of-two",
    .help = "of two backends drawn by weight, the one with fewer connections over its weight",
    .state_bytes = state_bytes,
    .build = build,
    .pick = pick,
};
