#include "director/access_log.h"

#include "base/clock.h"
#include "director/access_line.h"
#include "director/director_int.h"

#define TOLD_MAX 128

static void on_lost(void *ctx, uint64_t lines, int error)
{
    struct access_log *a = ctx;

    log_lost_add(&a->lost, lines, error);
    director_count_lost(a->d, lines);
}

void access_log_tick(struct access_log *a)
{
    char what[TOLD_MAX];

    if (log_lost_tell(&a->lost, what, sizeof what))
        log_warning("access log: %s", what);
}

void access_log_init(struct access_log *a, struct director *d)
{
    *a = (struct access_log){.d = d};
    line_out_init(&a->out, d->loop, on_lost, a);
}

void access_log_to(struct access_log *a, int fd)
{
    line_out_to(&a->out, fd);
}

void access_log_fini(struct access_log *a, unsigned patience_ms)
{
    line_out_fini(&a->out, patience_ms);
    access_log_tick(a);
}

/* ---- events ---- */

static const char *listener_name(const struct director *d, uint32_t i)
{
    return i < d->config->n_listeners ? d->config->listeners[i].name : NULL;
}

static const char *pool_name(const struct director *d, uint32_t i)
{
    return i < d->config->n_pools ? d->config->pools[i].name : NULL;
}

/* NULL: there is none of that id any more. */
static const char *backend_name(const struct director *d, uint64_t id)
{
    uint32_t slot = shm_id_slot(id), generation = shm_id_generation(id);

    if (generation == 0 || slot >= d->shm.max_backends || slot >= shm_get32(&d->shm.supervisor->n_slots))
        return NULL;
    const struct shm_backend *b = shm_backend(&d->shm, slot);
    return shm_generation(b) == generation ? b->name : NULL;
}

static void write_event(struct access_log *a, const struct conn_event *e, uint64_t mono_to_real_ms)
{
    char text[ACCESS_LINE_MAX];
    struct access_line line = {.event = e,
                               .real_ms = e->at_ms + mono_to_real_ms,
                               .listener = listener_name(a->d, e->listener),
                               .pool = pool_name(a->d, e->pool),
                               .backend = backend_name(a->d, e->backend_id)};
    size_t n = access_line_format(&line, text);

    line_out_put(&a->out, text, n);
}

_Static_assert(sizeof(struct msg) % 8 == 0 && sizeof(struct msg_access) % 8 == 0 &&
                   sizeof(struct conn_event) % 8 == 0,
               "events behind a head are aligned");

bool access_log_take(struct access_log *a, const struct msg *m)
{
    const struct msg_access *head = msg_body(m);
    uint64_t mono_to_real_ms = clock_real_ms() - clock_mono_ms();

    if (head->event_bytes != sizeof(struct conn_event) || head->n > MSG_ACCESS_MAX ||
        m->bytes != sizeof *head + head->n * sizeof(struct conn_event))
        return false;
    const struct conn_event *events = (const void *)(head + 1);
    for (uint32_t i = 0; i < head->n; i++)
        write_event(a, &events[i], mono_to_real_ms);
    line_out_flush(&a->out);
    access_log_tick(a);
    return true;
}
