#include "worker/candidates.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* ---- classes ---- */

static void set_class(struct pool_view *p, uint32_t i, uint8_t class)
{
    struct candidate *n = &p->nodes[i];
    if (n->class == class)
        return;
    if (n->class != CLASS_NONE)
        p->n_class[n->class]--;
    if (class != CLASS_NONE)
        p->n_class[class]++;
    n->class = class;
    algo_view_set_usable(&p->view, i, class == p->active);
}

/* Makes the best class that has a node the usable one; walks the nodes only when that is another than before.
 */
static void activate(struct pool_view *p)
{
    uint8_t best = 0;
    while (best < CLASS_COUNT - 1 && !p->n_class[best])
        best++;
    if (best == p->active)
        return;
    p->active = best;
    for (uint32_t i = 0; i < p->n; i++)
        algo_view_set_usable(&p->view, i, p->nodes[i].class == best);
}

static uint8_t class_of(const struct candidates *k, const struct pool_view *p, uint32_t i, uint64_t now_ms)
{
    const struct candidate *n = &p->nodes[i];
    const struct shm_backend *row = shm_backend(k->shm, n->slot);
    if (n->full || !p->view.nodes[i].weight || shm_get32(&row->generation) != n->generation)
        return CLASS_NONE;
    enum shm_state state = shm_backend_state(k->shm, n->slot);
    if (state != SHM_STATE_UP && state != SHM_STATE_STARTING)
        return CLASS_NONE;
    bool failed = n->failed_until_ms > now_ms;
    return row->backup ? (failed ? CLASS_FAILED_BACKUP : CLASS_BACKUP)
                       : (failed ? CLASS_FAILED_PRIMARY : CLASS_PRIMARY);
}

/* ---- keeping up ---- */

static bool at_limit(const struct shm_backend *row, uint64_t connections)
{
    uint64_t limit = shm_get(&row->max_connections);
    return limit && connections >= limit;
}

/* Reads the table and the other workers' rows again. */
static void refresh(struct candidates *k, struct pool_view *p, uint64_t now_ms)
{
    uint64_t epoch = shm_epoch(k->shm);
    bool table = epoch != p->epoch, rows = now_ms - p->read_ms >= CANDIDATES_FRESH_MS;
    if (!table && !rows)
        return;
    bool weights = false;
    for (uint32_t i = 0; i < p->n; i++) {
        struct candidate *n = &p->nodes[i];
        const struct shm_backend *row = shm_backend(k->shm, n->slot);
        uint32_t weight = shm_get32(&row->weight);
        if (weight != p->view.nodes[i].weight) {
            algo_view_set_weight(&p->view, i, weight);
            weights = true;
        }
        uint64_t connections = shm_connections(k->shm, n->slot, NULL);
        p->view.nodes[i].connections = connections < UINT32_MAX ? (uint32_t)connections : UINT32_MAX;
        n->full = at_limit(row, connections);
        set_class(p, i, class_of(k, p, i, now_ms));
    }
    activate(p);
    if (weights)
        p->algorithm->build(p->state, &p->view, rng_next(k->rng));
    p->epoch = epoch;
    p->read_ms = now_ms;
}

/* ---- places ---- */

static struct shm_backend_cell *own_cell(struct candidates *k, const struct candidate *n)
{
    struct shm_backend_cell *cell = shm_backend_cell(k->shm, k->seat, n->slot);
    if (shm_get32(&cell->generation) != n->generation)
        shm_cell_begin(
            cell, n->generation); /* the slot's last owner left no gauge behind, or it would not be free */
    return cell;
}

/* Exact across workers without a shared counter: raise your own cell, full fence, sum all, take it back when
 * over the limit. Two that race for the last place may both step back, so it is tried once more. */
static bool take_place(struct candidates *k, const struct candidate *n, struct shm_backend_cell *cell)
{
    uint64_t limit = shm_get(&shm_backend(k->shm, n->slot)->max_connections);
    for (int attempt = 0; attempt < 2; attempt++) {
        shm_add(&cell->connections, 1);
        if (!limit)
            return true;
        atomic_thread_fence(memory_order_seq_cst);
        if (shm_connections(k->shm, n->slot, NULL) <= limit)
            return true;
        shm_sub(&cell->connections, 1);
    }
    return false;
}

static int find_node(const struct candidates *k, const struct pool_view *p, uint64_t backend_id)
{
    uint32_t slot = shm_id_slot(backend_id);
    if (slot >= k->shm->max_backends)
        return -1;
    uint32_t i = k->node_of_slot[slot];
    if (i >= p->n || p->nodes[i].slot != slot || p->nodes[i].generation != shm_id_generation(backend_id))
        return -1;
    return (int)i;
}

bool candidates_pick(struct candidates *k, uint32_t pool, const uint32_t *tried, uint32_t n_tried,
                     uint64_t now_ms, uint64_t *backend_id, struct shm_backend_cell **cell)
{
    struct pool_view *p = &k->pools[pool];
    refresh(k, p, now_ms);
    for (uint32_t t = 0; t < n_tried; t++) {
        uint32_t i = k->node_of_slot[tried[t]];
        if (i < p->n && p->nodes[i].slot == tried[t])
            set_class(p, i, CLASS_NONE);
    }
    activate(p);
    *cell = NULL; /* who holds one gives its place back */
    int chosen;
    for (;;) {
        struct algo_question q;
        for (unsigned r = 0; r < 4; r++)
            q.random[r] = rng_next(k->rng);
        chosen = p->view.n_usable ? p->algorithm->pick(p->state, &p->view, &q) : ALGO_NONE;
        if (chosen == ALGO_NONE)
            break;
        struct candidate *n = &p->nodes[chosen];
        struct shm_backend_cell *own = own_cell(k, n);
        if (take_place(k, n, own)) {
            uint64_t connections = shm_connections(k->shm, n->slot, NULL);
            p->view.nodes[chosen].connections = connections < UINT32_MAX ? (uint32_t)connections : UINT32_MAX;
            shm_add(&own->connections_total, 1);
            if (connections > shm_get(&own->connections_peak))
                shm_set(&own->connections_peak, connections);
            *cell = own;
            *backend_id = shm_backend_id(n->slot, n->generation);
            break;
        }
        n->full = true; /* until the rows are read again */
        set_class(p, (uint32_t)chosen, CLASS_NONE);
        activate(p);
    }
    for (uint32_t t = 0; t < n_tried; t++) {
        uint32_t i = k->node_of_slot[tried[t]];
        if (i < p->n && p->nodes[i].slot == tried[t])
            set_class(p, i, class_of(k, p, i, now_ms));
    }
    activate(p);
    return chosen != ALGO_NONE;
}

struct shm_backend_cell *candidates_adopt(struct candidates *k, uint32_t pool, uint64_t backend_id)
{
    struct pool_view *p = &k->pools[pool];
    int i = find_node(k, p, backend_id);
    if (i < 0)
        return NULL;
    struct shm_backend_cell *cell = own_cell(k, &p->nodes[i]);
    shm_add(&cell->connections, 1);
    if (p->view.nodes[i].connections < UINT32_MAX)
        p->view.nodes[i].connections++;
    return cell;
}

void candidates_release(struct candidates *k, uint32_t pool, uint64_t backend_id,
                        struct shm_backend_cell *cell)
{
    struct pool_view *p = &k->pools[pool];
    shm_sub(&cell->connections, 1);
    int i = find_node(k, p, backend_id);
    if (i < 0)
        return;
    if (p->view.nodes[i].connections)
        p->view.nodes[i].connections--;
    if (p->nodes[i].full)
        p->read_ms = 0; /* there is room again: look at the next pick, not 10 ms later */
}

void candidates_failed(struct candidates *k, uint32_t pool, uint64_t backend_id, uint64_t now_ms)
{
    struct pool_view *p = &k->pools[pool];
    int i = find_node(k, p, backend_id);
    if (i < 0)
        return;
    p->nodes[i].failed_until_ms = now_ms + CANDIDATES_PASS_OVER_MS;
    set_class(p, (uint32_t)i, class_of(k, p, (uint32_t)i, now_ms));
    activate(p);
}

uint64_t candidates_lost_turn(struct candidates *k, uint32_t pool, uint64_t now_ms)
{
    struct pool_view *p = &k->pools[pool];
    uint32_t workers = 0;
    for (uint32_t i = 0; i < k->shm->n_seats; i++)
        workers += shm_get32(&k->shm->seats[i]->state) == SHM_SEAT_UP;
    uint64_t now_us = now_ms * 1000;
    uint64_t turn_us = p->lost_us > now_us ? p->lost_us : now_us;
    double step_us = 1e6 * (workers ? workers : 1) / k->config->pools[pool].close_rate_per_s;
    p->lost_us = turn_us + (uint64_t)step_us;
    return turn_us / 1000;
}

/* ---- building ---- */

static void pool_fini(struct pool_view *p)
{
    free(p->view_memory);
    free(p->state);
    free(p->nodes);
}

static bool pool_init(struct candidates *k, struct pool_view *p, uint32_t pool)
{
    uint32_t n_slots = shm_get32(&k->shm->supervisor->n_slots);
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        const struct shm_backend *row = shm_backend(k->shm, slot);
        if (shm_get32(&row->generation) && row->pool == pool)
            p->n++;
    }
    p->algorithm = k->config->pools[pool].algorithm;
    size_t view_bytes = algo_view_bytes(p->n), state_bytes = p->algorithm->state_bytes(p->n);
    p->nodes = calloc(p->n ? p->n : 1, sizeof *p->nodes);
    p->view_memory = calloc(1, view_bytes ? view_bytes : 1);
    p->state = calloc(1, state_bytes ? state_bytes : 1);
    if (!p->nodes || !p->view_memory || !p->state)
        return false;
    algo_view_init(&p->view, p->view_memory, p->n);
    uint32_t i = 0;
    for (uint32_t slot = 0; slot < n_slots && i < p->n; slot++) {
        const struct shm_backend *row = shm_backend(k->shm, slot);
        uint32_t generation = shm_get32(&row->generation);
        if (!generation || row->pool != pool)
            continue;
        p->nodes[i] = (struct candidate){.slot = slot, .generation = generation, .class = CLASS_NONE};
        p->view.nodes[i].id = hash64(row->name, strnlen(row->name, sizeof row->name));
        algo_view_set_weight(&p->view, i, shm_get32(&row->weight));
        k->node_of_slot[slot] = i++;
    }
    p->active = CLASS_PRIMARY;
    p->epoch = shm_epoch(k->shm) - 1; /* the first pick reads all */
    p->algorithm->build(p->state, &p->view, rng_next(k->rng));
    return true;
}

bool candidates_init(struct candidates *k, const struct config *config, const struct shm *shm,
                     struct shm_seat *seat, struct rng *rng)
{
    *k = (struct candidates){.config = config, .shm = shm, .seat = seat, .rng = rng};
    k->pools = calloc(config->n_pools ? config->n_pools : 1, sizeof *k->pools);
    k->node_of_slot = malloc(shm->max_backends * sizeof *k->node_of_slot);
    if (!k->pools || !k->node_of_slot)
        return false;
    memset(k->node_of_slot, 0xff, shm->max_backends * sizeof *k->node_of_slot);
    for (uint32_t i = 0; i < config->n_pools; i++)
        if (!pool_init(k, &k->pools[i], i))
            return false;
    return true;
}

void candidates_fini(struct candidates *k)
{
    for (uint32_t i = 0; k->pools && i < k->config->n_pools; i++)
        pool_fini(&k->pools[i]);
    free(k->pools);
    free(k->node_of_slot);
    *k = (struct candidates){0};
}
