/* Smooth weighted round robin, by nginx's method: at each pick every usable node's credit grows by its
 * weight, the richest is taken and pays the sum of the weights. A node of weight 5 beside two of weight 1 is
 * met as a a b a c a a, not five times in a row.
 *
 * Two things are added. The seed spreads the first credits over a whole round, or all workers would begin
 * with the same node. And a credit never leaves one sum of weights either way: it was earned beside the nodes
 * that were usable then, and when most of those are gone an old debt of a thousand must not keep a node
 * waiting for a thousand picks. */
#include "algo/algo.h"

#include "algo/mix.h"

/* Credits have a fraction, so that spreading them also tells nodes of weight 1 apart. */
#define FRACTION_BITS 20u

struct state {
    uint64_t is_begun;
    int64_t credits[];
};

static size_t state_bytes(uint32_t n)
{
    return sizeof(struct state) + n * sizeof(int64_t);
}

/* Built once only: after a change of weights the round goes on where it was. Were it begun anew each time a
 * slow start raises a weight, it would never get past its first nodes. */
static void build(void *memory, const struct algo_view *view, uint64_t seed)
{
    struct state *s = memory;
    if (s->is_begun)
        return;
    s->is_begun = 1;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < view->n; i++)
        sum += (uint64_t)view->nodes[i].weight << FRACTION_BITS;
    for (uint32_t i = 0; i < view->n; i++) {
        uint64_t spread = mix_scale(mix_next(&seed), sum);
        s->credits[i] = (int64_t)spread - (int64_t)(sum / 2);
    }
}

static int64_t clamp(int64_t credit, int64_t limit)
{
    return credit > limit ? limit : credit < -limit ? -limit : credit;
}

static int pick(void *memory, const struct algo_view *view, const struct algo_question *q)
{
    (void)q;
    struct state *s = memory;
    int best = ALGO_NONE;
    int64_t sum = (int64_t)(view->weight_usable << FRACTION_BITS);
    for (uint32_t i = 0; i < view->n; i++) {
        const struct algo_node *node = &view->nodes[i];
        if (!node->usable)
            continue;
        s->credits[i] = clamp(s->credits[i], sum) + ((int64_t)node->weight << FRACTION_BITS);
        if (best == ALGO_NONE || s->credits[i] > s->credits[best])
            best = (int)i;
    }
    if (best != ALGO_NONE)
        s->credits[best] -= sum;
    return best;
}

const struct algo round_robin_algo = {
    .name = "round-robin",
    .help = "each backend in turn, as often as its weight says",
    .state_bytes = state_bytes,
    .build = build,
    .pick = pick,
};
