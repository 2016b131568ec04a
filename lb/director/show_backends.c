#include "director/show.h"

#include "director/director_int.h"
#include "director/lookup.h"

/* What the table shows; JSON has all. */
static const char *const columns[] = {"name",
                                      "pool",
                                      "address",
                                      "state",
                                      "weight",
                                      "effective_weight",
                                      "connections",
                                      "connections_total",
                                      "connections_peak",
                                      "connections_limit",
                                      "failures",
                                      "messages_in",
                                      "messages_out",
                                      "bytes_in",
                                      "bytes_out",
                                      "backup",
                                      NULL};

/* The operator's word in the operator's spelling. */
static const char *admin_word(enum shm_state s)
{
    return s == SHM_STATE_UP ? "ready" : shm_state_name(s);
}

/* Who said the word that counts. */
static const char *reason(enum shm_state state, enum shm_state admin, enum shm_state check)
{
    if (state == SHM_STATE_UP)
        return NULL;
    if (state == admin)
        return "operator";
    return state == check ? "check" : "agent";
}

static void nulls(struct answer *a, const char *key, const char *const *keys)
{
    answer_open(a, key);
    for (; *keys; keys++)
        answer_null(a, *keys);
    answer_close(a);
}

static void words_of_state(struct answer *a, const struct director *d, uint32_t slot)
{
    const struct shm_health *h = shm_health(&d->shm, slot);
    enum shm_state state = shm_backend_state(&d->shm, slot);
    enum shm_state admin = (enum shm_state)shm_get32(&shm_backend(&d->shm, slot)->admin_state);
    enum shm_state check = (enum shm_state)shm_get32(&h->check_state);

    answer_str(a, "state", shm_state_name(state));
    answer_str(a, "admin_state", admin_word(admin));
    answer_str(a, "check_state", shm_state_name(check));
    answer_str(a, "agent_state", shm_state_name((enum shm_state)shm_get32(&h->agent_state)));
    answer_str(a, "reason", reason(state, admin, check));
}

static void weights(struct answer *a, const struct director *d, uint32_t slot)
{
    enum shm_state state = shm_backend_state(&d->shm, slot);
    uint32_t weight = shm_get32(&shm_backend(&d->shm, slot)->weight);
    bool chosen = state == SHM_STATE_UP || state == SHM_STATE_STARTING;

    answer_u64(a, "weight", weight);
    answer_u64(a, "effective_weight", chosen ? weight : 0);
}

static void fields(struct answer *a, const struct director *d, uint32_t slot,
                   const struct shm_backend_sum *sum)
{
    static const char *const health[] = {"check", "last", "last_error", "latency_ms", "since_ms", NULL};
    static const char *const agent[] = {"name", "age_ms", NULL};
    static const char *const drain[] = {"remaining", "closed", "deadline_ms", "by", NULL};
    static const char *const none[] = {NULL};
    const struct shm_backend *b = shm_backend(&d->shm, slot);
    uint64_t limit = shm_get(&b->max_connections);
    char address[ADDRESS_TEXT_MAX];

    address_format(&b->address, address);
    answer_str(a, "name", b->name);
    answer_str(a, "pool", b->pool < d->config->n_pools ? d->config->pools[b->pool].name : NULL);
    answer_str(a, "address", address);
    words_of_state(a, d, slot);
    weights(a, d, slot);
    answer_u64(a, "connections", sum->connections);
    answer_u64(a, "connections_total", sum->connections_total);
    answer_u64(a, "connections_peak", sum->connections_peak);
    if (limit)
        answer_u64(a, "connections_limit", limit);
    else
        answer_null(a, "connections_limit");
    answer_u64(a, "failures", sum->failures);
    answer_null(a, "load");
    answer_null(a, "load_age_ms");
    nulls(a, "metrics", none);
    nulls(a, "health", health);
    nulls(a, "agent", agent);
    nulls(a, "drain", drain);
    answer_null(a, "answer_ms");
    answer_u64(a, "messages_in", sum->messages_in);
    answer_u64(a, "messages_out", sum->messages_out);
    answer_u64(a, "bytes_in", sum->bytes_in);
    answer_u64(a, "bytes_out", sum->bytes_out);
    answer_null(a, "zone");
    answer_bool(a, "backup", b->backup);
}

void show_backends(struct command *c)
{
    const struct director *d = c->d;
    uint32_t n = shm_get32(&d->shm.supervisor->n_slots), pool = 0;

    if (c->arg[0] && !lookup_pool(c, c->arg[0], &pool))
        return;
    answer_list(&c->answer, columns);
    for (uint32_t slot = 0; slot < n; slot++) {
        struct shm_backend_sum sum;

        if (!lookup_slot_used(d, slot) || (c->arg[0] && shm_backend(&d->shm, slot)->pool != pool))
            continue;
        shm_sum_backend(&d->shm, slot, &sum);
        answer_row(&c->answer);
        fields(&c->answer, d, slot, &sum);
        answer_row_end(&c->answer);
    }
}

void show_backend(struct command *c)
{
    struct answer *a = &c->answer;
    struct shm_backend_sum sum;
    uint32_t slot;
    uint64_t id;

    if (!lookup_backend(c, c->arg[0], &slot, &id))
        return;
    shm_sum_backend(&c->d->shm, slot, &sum);
    answer_object(a);
    answer_row(a);
    fields(a, c->d, slot, &sum);
    answer_u64(a, "handshakes_total", sum.handshakes_total);
    answer_u64(a, "refused_total", shm_refused(&sum));
    answer_row_end(a);
}
