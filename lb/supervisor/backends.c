#include "supervisor/backends.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WEIGHT_MAX 256u

static enum shm_state state_of(uint32_t config_state)
{
    switch ((enum config_backend_state)config_state) {
    case CONFIG_STATE_DRAIN:
        return SHM_STATE_DRAIN;
    case CONFIG_STATE_MAINT:
        return SHM_STATE_MAINT;
    case CONFIG_STATE_READY:
        break;
    }
    return SHM_STATE_UP;
}

bool backends_fill(const struct shm *shm, const struct config *c, const struct resolved *r)
{
    for (uint32_t i = 0; i < c->n_backends; i++) {
        const struct config_backend *b = &c->backends[i];
        struct shm_backend row = {.pool = b->pool, .address = r->backends[i], .backup = b->backup};
        snprintf(row.name, sizeof row.name, "%s", b->name);
        shm_set32(&row.weight, b->weight);
        shm_set32(&row.admin_state, state_of(b->state));
        shm_set(&row.max_connections, b->max_connections);
        if (shm_backend_add(shm, &row) == 0)
            return false;
    }
    return true;
}

static struct shm_backend *find(const struct shm *shm, uint64_t id)
{
    uint32_t slot = shm_id_slot(id), generation = shm_id_generation(id);
    if (generation == 0 || slot >= shm_get32(&shm->supervisor->n_slots))
        return NULL;
    struct shm_backend *b = shm_backend(shm, slot);
    return shm_get32(&b->generation) == generation ? b : NULL;
}

static bool set_state(struct shm_backend *b, uint64_t value, char *err, size_t err_len)
{
    if (value != SHM_STATE_UP && value != SHM_STATE_DRAIN && value != SHM_STATE_MAINT) {
        snprintf(err, err_len, "state %" PRIu64 " is none that an operator can set", value);
        return false;
    }
    snprintf(err, err_len, "backend %s: operator's state %s -> %s", b->name,
             shm_state_name((enum shm_state)shm_get32(&b->admin_state)),
             shm_state_name((enum shm_state)value));
    shm_set32(&b->admin_state, (uint32_t)value);
    return true;
}

static bool set_weight(struct shm_backend *b, uint64_t value, char *err, size_t err_len)
{
    if (value > WEIGHT_MAX) {
        snprintf(err, err_len, "weight %" PRIu64 " is too large; right is 0 to %u", value, WEIGHT_MAX);
        return false;
    }
    snprintf(err, err_len, "backend %s: weight %" PRIu32 " -> %" PRIu64, b->name, shm_get32(&b->weight),
             value);
    shm_set32(&b->weight, (uint32_t)value);
    return true;
}

static bool set_max_connections(struct shm_backend *b, uint64_t value, char *err, size_t err_len)
{
    snprintf(err, err_len, "backend %s: max_connections %" PRIu64 " -> %" PRIu64 " (0: no limit)", b->name,
             shm_get(&b->max_connections), value);
    shm_set(&b->max_connections, value);
    return true;
}

bool backends_set(const struct shm *shm, const struct msg_set_backend *q, char *err, size_t err_len)
{
    struct shm_backend *b = find(shm, q->backend_id);
    bool done = false;
    if (!b) {
        snprintf(err, err_len, "there is no such backend any more");
        return false;
    }
    switch (q->field) {
    case BACKEND_STATE:
        done = set_state(b, q->value, err, err_len);
        break;
    case BACKEND_WEIGHT:
        done = set_weight(b, q->value, err, err_len);
        break;
    case BACKEND_MAX_CONNECTIONS:
        done = set_max_connections(b, q->value, err, err_len);
        break;
    default:
        snprintf(err, err_len, "a backend has no field of number %" PRIu32, q->field);
    }
    if (done)
        shm_touch(shm);
    return done;
}
