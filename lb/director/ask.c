#include "director/ask.h"

#include <stdlib.h>

#include "base/clock.h"
#include "director/director_int.h"

static struct channel_io *channel_of(struct director *d, uint32_t target)
{
    if (target == ASK_SUPERVISOR)
        return &d->supervisor;
    return peers_channel(&d->peers, target);
}

bool ask_is_silent(const struct ask *a)
{
    return clock_mono_ms() - a->heard_ms >= ASK_SILENT_MS;
}

static bool may_be_asked(struct director *d, uint32_t target)
{
    unsigned open = 0;

    for (const struct ask *a = d->asks.first; a; a = a->next) {
        if (a->target == target && (ask_is_silent(a) || ++open == ASK_OPEN_MAX))
            return false;
    }
    return true;
}

struct ask *ask_send(struct director *d, uint32_t target, enum msg_type type, const void *body, size_t n,
                     ask_fn fn, void *ctx)
{
    struct channel_io *channel = channel_of(d, target);
    struct ask *a;

    if (!channel || !channel_io_is_open(channel) || !may_be_asked(d, target))
        return NULL;
    a = malloc(sizeof *a);
    if (!a)
        return NULL;
    *a = (struct ask){.next = d->asks.first,
                      .fn = fn,
                      .ctx = ctx,
                      .serial = ++d->asks.last_serial,
                      .heard_ms = clock_mono_ms(),
                      .target = target};
    if (!channel_io_send(channel, type, a->serial, body, n, NULL, 0)) {
        free(a);
        return NULL;
    }
    d->asks.first = a;
    return a;
}

void ask_abandon(struct ask *a)
{
    a->fn = NULL;
    a->ctx = NULL;
}

/* Where the pointer to the first that matches stands; serial 0: any. */
static struct ask **find(struct asks *asks, uint32_t target, uint64_t serial)
{
    struct ask **at = &asks->first;

    while (*at && ((*at)->target != target || (serial && (*at)->serial != serial)))
        at = &(*at)->next;
    return at;
}

/* Unlinks the ask before it is told, since its callback may ask again. */
static void end(struct ask **at, const struct msg *m)
{
    struct ask *a = *at;

    *at = a->next;
    if (a->fn)
        a->fn(a->ctx, a, m);
    free(a);
}

bool ask_answer(struct director *d, uint32_t target, const struct msg *m)
{
    struct ask **at = find(&d->asks, target, m->serial);
    struct ask *a = *at;

    if (!a || m->serial == 0 || (m->type != MSG_DONE && m->type != MSG_ROWS))
        return false;
    a->heard_ms = clock_mono_ms();
    if (m->type == MSG_DONE) {
        end(at, m);
        return true;
    }
    struct msg_credit credit = {.n = 1};
    channel_io_send(channel_of(d, target), MSG_CREDIT, a->serial, &credit, sizeof credit, NULL, 0);
    if (a->fn)
        a->fn(a->ctx, a, m);
    return true;
}

void ask_lost(struct director *d, uint32_t target)
{
    struct ask **at;

    while (*(at = find(&d->asks, target, 0)))
        end(at, NULL);
}

void asks_fini(struct director *d)
{
    while (d->asks.first)
        end(&d->asks.first, NULL);
}
