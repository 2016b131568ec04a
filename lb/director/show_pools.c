#include "director/show.h"

#include "algo/algo.h"
#include "director/director_int.h"
#include "director/lookup.h"
#include "proto/close_reason.h"

static void add(struct shm_backend_sum *to, const struct shm_backend_sum *from)
{
#define X(kind, name, text) to->name += from->name;
    SHM_BACKEND_CELLS(X)
#undef X
    for (unsigned i = 0; i < SHM_CODE_COUNT; i++)
        to->answers[i] += from->answers[i];
}

static void pool(struct answer *a, const struct director *d, uint32_t pool_no)
{
    const struct config_pool *p = &d->config->pools[pool_no];
    uint32_t n = shm_get32(&d->shm.supervisor->n_slots), backends = 0, usable = 0;
    struct shm_backend_sum sum, all = {0};

    for (uint32_t slot = 0; slot < n; slot++) {
        if (!lookup_slot_used(d, slot) || shm_backend(&d->shm, slot)->pool != pool_no)
            continue;
        enum shm_state state = shm_backend_state(&d->shm, slot);

        backends++;
        usable += state == SHM_STATE_UP || state == SHM_STATE_STARTING;
        shm_sum_backend(&d->shm, slot, &sum);
        add(&all, &sum);
    }
    answer_row(a);
    answer_str(a, "name", p->name);
    answer_str(a, "algorithm", p->algorithm->name);
    answer_u64(a, "backends", backends);
    answer_u64(a, "usable", usable);
    answer_u64(a, "connections", all.connections);
    answer_u64(a, "connections_total", all.connections_total);
    answer_u64(a, "failures", all.failures);
    answer_u64(a, "handshakes_total", all.handshakes_total);
    answer_u64(a, "refused_total", shm_refused(&all));
    answer_u64(a, "messages_in", all.messages_in);
    answer_u64(a, "messages_out", all.messages_out);
    answer_u64(a, "bytes_in", all.bytes_in);
    answer_u64(a, "bytes_out", all.bytes_out);
    answer_row_end(a);
}

void show_pools(struct command *c)
{
    static const char *const columns[] = {"name",          "algorithm",
                                          "backends",      "usable",
                                          "connections",   "connections_total",
                                          "failures",      "handshakes_total",
                                          "refused_total", "messages_in",
                                          "messages_out",  "bytes_in",
                                          "bytes_out",     NULL};

    answer_list(&c->answer, columns);
    for (uint32_t i = 0; i < c->d->config->n_pools; i++)
        pool(&c->answer, c->d, i);
}

static void listener(struct answer *a, const struct director *d, uint32_t listener_no)
{
    const struct config_listener *l = &d->config->listeners[listener_no];
    struct shm_listener_sum sum;
    uint64_t rejected = 0, closed = 0;

    shm_sum_listener(&d->shm, listener_no, &sum);
    for (unsigned r = CLOSE_REASON_NONE + 1; r < CLOSE_REASON_COUNT; r++)
        *(close_reason_is_reject((enum close_reason)r) ? &rejected : &closed) += sum.ended[r];
    answer_row(a);
    answer_str(a, "name", l->name);
    answer_strs(a, "bind", l->binds.items, l->binds.n);
    answer_str(a, "protocol", l->protocol == CONFIG_PROTOCOL_TCP ? "tcp" : "websocket");
    answer_str(a, "pool", d->config->pools[l->pool].name);
    answer_u64(a, "connections", sum.open);
    answer_u64(a, "connections_total", sum.opened_total);
    answer_u64(a, "handshaking", sum.connections > sum.open ? sum.connections - sum.open : 0);
    answer_u64(a, "accepted_total", sum.accepted_total);
    answer_u64(a, "rejected_total", rejected);
    answer_u64(a, "closed_total", closed);
    answer_u64(a, "retries_total", sum.retries_total);
    answer_row_end(a);
}

void show_listeners(struct command *c)
{
    static const char *const columns[] = {"name",         "bind",           "protocol",
                                          "pool",         "connections",    "connections_total",
                                          "handshaking",  "accepted_total", "rejected_total",
                                          "closed_total", "retries_total",  NULL};

    answer_list(&c->answer, columns);
    for (uint32_t i = 0; i < c->d->config->n_listeners; i++)
        listener(&c->answer, c->d, i);
}
