#include "algo/algo.h"

#include "algo/mix.h"

size_t algo_view_bytes(uint32_t n)
{
    return n * (sizeof(struct algo_node) + sizeof(uint64_t));
}

void algo_view_init(struct algo_view *view, void *memory, uint32_t n)
{
    *view = (struct algo_view){.nodes = memory, .n = n};
    view->tree = n > 0 ? (uint64_t *)(void *)(view->nodes + n) : NULL;
}

/* tree[i - 1] is the sum over the (i & -i) nodes that end with the i-th. `change` may be a negative number
 * modulo 2^64: the sums come out right. */
static void add(struct algo_view *view, uint32_t index, uint64_t change)
{
    view->weight_usable += change;
    for (uint64_t i = (uint64_t)index + 1; i <= view->n; i += i & -i)
        view->tree[i - 1] += change;
}

void algo_view_set_weight(struct algo_view *view, uint32_t index, uint32_t weight)
{
    struct algo_node *node = &view->nodes[index];
    if (node->usable)
        add(view, index, (uint64_t)weight - node->weight);
    node->weight = weight;
}

void algo_view_set_usable(struct algo_view *view, uint32_t index, bool usable)
{
    struct algo_node *node = &view->nodes[index];
    if (node->usable == usable)
        return;
    node->usable = usable;
    if (usable) {
        view->n_usable++;
        add(view, index, node->weight);
    } else {
        view->n_usable--;
        add(view, index, 0 - (uint64_t)node->weight);
    }
}

static uint64_t sum_before(const struct algo_view *view, uint32_t index)
{
    uint64_t sum = 0;
    for (uint32_t i = index; i > 0; i &= i - 1)
        sum += view->tree[i - 1];
    return sum;
}

int algo_view_sample(const struct algo_view *view, uint64_t random, int except)
{
    uint64_t left_out = 0;
    if (except >= 0 && (uint32_t)except < view->n && view->nodes[except].usable)
        left_out = view->nodes[except].weight;
    uint64_t total = view->weight_usable - left_out;
    if (total == 0)
        return ALGO_NONE;

    /* The high word of a product maps 64 random bits onto 0 to total - 1 without a division; what it is off
     * by is far below anything that could be seen. */
    uint64_t at = (uint64_t)(((unsigned __int128)random * total) >> 64);
    if (left_out > 0 && at >= sum_before(view, (uint32_t)except))
        at += left_out;

    uint64_t pos = 0;
    uint64_t step = UINT64_C(1) << 31;
    while (step > view->n)
        step >>= 1;
    for (; step > 0; step >>= 1) {
        if (pos + step <= view->n && view->tree[pos + step - 1] <= at) {
            pos += step;
            at -= view->tree[pos - 1];
        }
    }
    return (int)pos;
}

int algo_view_compare(const struct algo_node *a, const struct algo_node *b)
{
    uint64_t load_a = ((uint64_t)a->connections + 1) * b->weight;
    uint64_t load_b = ((uint64_t)b->connections + 1) * a->weight;
    return (load_a > load_b) - (load_a < load_b);
}
