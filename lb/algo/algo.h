/* How a backend is chosen. An algorithm is one file with one `const struct algo`, listed by name in
 * algo_list.c; nothing else knows it. It is given the worker's own view of the candidates and a question, and
 * answers an index into the view or ALGO_NONE. It has no clock, does no I/O, allocates nothing, locks nothing
 * and has no randomness of its own: whatever differs from one pick to the next is in the view, the question
 * or its state, so that the simulator replays any day from a seed and one contract test runs over all
 * algorithms.
 *
 * The filter (who may be chosen at all) has done its work before: a node is usable or it isn't, and only a
 * usable one may be answered. Building (what is slow: a Maglev table) runs when a configuration is committed
 * or a weight changes; that a node becomes usable or stops being so never calls build. */
#ifndef ALGO_ALGO_H
#define ALGO_ALGO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALGO_NONE       (-1)
#define ALGO_WEIGHT_MAX 256u

struct algo_node {
    uint64_t id;          /* the same in every worker and every balancer: a hash of the backend's name */
    uint32_t weight;      /* effective weight; a usable node's is above 0 */
    uint32_t connections; /* of all workers together */
    bool usable;          /* set by algo_view_set_usable only */
};

/* The candidates of one pool, owned by the worker and changed in place. `tree` is a Fenwick tree over the
 * weights of the usable nodes, so that a choice in proportion to weight costs log n and no scan. */
struct algo_view {
    struct algo_node *nodes;
    uint64_t *tree;
    uint32_t n;
    uint32_t n_usable;
    uint64_t weight_usable; /* sum over the usable nodes */
};

struct algo_question {
    uint64_t random[4]; /* independent, uniform over 64 bits; drawn by the caller for each pick */
};

struct algo {
    const char *name;
    const char *help; /* one line for the man page */
    /* Bytes of state for n nodes (0: none). The caller allocates them, zeroed and aligned for uint64_t, and
     * calls build before the first pick and again after a change of weights or nodes. */
    size_t (*state_bytes)(uint32_t n);
    void (*build)(void *state, const struct algo_view *view, uint64_t seed);
    int (*pick)(void *state, const struct algo_view *view, const struct algo_question *q);
};

/* algo_list.c */
extern const struct algo *const algo_list[];    /* ends with NULL */
const struct algo *algo_find(const char *name); /* NULL: there is none of that name */

/* algo_view.c. Memory for n nodes is the caller's: algo_view_bytes(n), aligned for uint64_t, zeroed. */
size_t algo_view_bytes(uint32_t n);
void algo_view_init(struct algo_view *view, void *memory, uint32_t n);
void algo_view_set_weight(struct algo_view *view, uint32_t index, uint32_t weight);
void algo_view_set_usable(struct algo_view *view, uint32_t index, bool usable);

/* A usable node in proportion to its weight, for a `random` uniform over 64 bits; `except` (an index, or
 * ALGO_NONE) is never answered. ALGO_NONE when no other is usable. O(log n). */
int algo_view_sample(const struct algo_view *view, uint64_t random, int except);

/* Compares two nodes by connections over weight without a division: < 0 when a is the less loaded. A place
 * more is counted for each, so that among empty nodes the heavier one comes first. */
int algo_view_compare(const struct algo_node *a, const struct algo_node *b);

#endif
