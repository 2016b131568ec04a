/* Taking a predecessor's connections: each row is checked and built, answered for, and only then read. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fault.h"
#include "worker/worker_int.h"

/* ---- what its ids mean ---- */

static uint64_t own_backend(const struct worker *w, const struct msg_entry *e)
{
    uint32_t n = shm_get32(&w->shm.supervisor->n_slots), guess = shm_id_slot(e->id);
    for (uint32_t i = 0; i <= n; i++) {
        uint32_t slot = i ? i - 1 : guess; /* most often it is the same table */
        if (slot >= n)
            continue;
        const struct shm_backend *row = shm_backend(&w->shm, slot);
        uint32_t generation = shm_generation(row);
        if (generation && !strncmp(row->name, e->name, sizeof row->name) &&
            address_equal(&row->address, &e->address))
            return shm_backend_id(slot, generation);
    }
    return 0;
}

static bool learn_backend(struct worker *w, const struct msg_entry *e)
{
    struct taker *t = w->taker;
    uint32_t slot = shm_id_slot(e->id);
    if (slot >= CONFIG_BACKENDS_MAX)
        return false;
    if (slot >= t->n_backends) {
        uint32_t n = slot + 64;
        uint64_t *more = realloc(t->backends, n * 2 * sizeof *more);
        if (!more)
            return false;
        memset(more + 2 * (size_t)t->n_backends, 0, 2 * sizeof *more * (n - t->n_backends));
        t->backends = more;
        t->n_backends = n;
    }
    t->backends[2 * slot] = e->id;
    t->backends[2 * slot + 1] = own_backend(w, e);
    return true;
}

static void take_dictionary(struct worker *w, const struct msg *m)
{
    struct taker *t = w->taker;
    const char *why;
    if (!move_dictionary_check(m, &why)) {
        log_error("a dictionary is refused: %s", why);
        return;
    }
    const struct msg_entry *e = move_entries(m);
    for (uint32_t n = ((const struct msg_dictionary *)msg_body(m))->n; n; n--, e++) {
        if (e->kind == ENTRY_LISTENER && e->id < CONFIG_LISTENERS_MAX)
            t->listeners[e->id] = config_find_listener(w->config, e->name);
        else if (e->kind == ENTRY_POOL && e->id < CONFIG_POOLS_MAX)
            t->pools[e->id] = config_find_pool(w->config, e->name);
        else if (e->kind == ENTRY_BACKEND && !learn_backend(w, e))
            log_warning("backend %s of the predecessor can't be noted: its connections stay there", e->name);
    }
}

/* The row in our own indexes and ids; false: something in it isn't known here. */
static bool translate(const struct taker *t, struct conn_row *r)
{
    uint32_t slot = shm_id_slot(r->backend_id);
    if (r->listener >= CONFIG_LISTENERS_MAX || r->pool >= CONFIG_POOLS_MAX || slot >= t->n_backends)
        return false;
    int listener = t->listeners[r->listener], pool = t->pools[r->pool];
    uint64_t own = t->backends[2 * slot + 1];
    if (listener < 0 || pool < 0 || t->backends[2 * slot] != r->backend_id || !own)
        return false;
    r->listener = (uint16_t)listener;
    r->pool = (uint16_t)pool;
    r->backend_id = own;
    return true;
}

/* ---- a batch ---- */

static bool read_unsent(struct conn *c, enum conn_end end, int fd, uint64_t at, size_t n)
{
    if (!n)
        return true;
    if (!buffer_reserve(&c->side[end].out, n))
        return false;
    struct buffer *b = c->side[end].out;
    if (pread(fd, b->data + b->end, n, (off_t)at) != (ssize_t)n)
        return false;
    b->end += (uint32_t)n;
    return true;
}

/* Builds one; NULL: it can't be taken, and its sockets stay the caller's. */
static struct conn *adopt(struct worker *w, const struct msg_move_row *given, int *fds, int unsent_fd,
                          uint64_t unsent_at)
{
    static struct log_limit limit;
    const char *why;
    struct conn_row row = given->row;
    if (!move_row_check(given, &why)) {
        log_limited(&limit, LOG_LEVEL_ERROR, "a connection of the predecessor is refused: %s", why);
        return NULL;
    }
    if (!translate(w->taker, &row)) {
        log_limited(&limit, LOG_LEVEL_WARNING,
                    "a connection of the predecessor is refused: its pool or backend is unknown here");
        return NULL;
    }
    if (w->n_conns >= w->conns_max) {
        log_limited(&limit, LOG_LEVEL_WARNING,
                    "a connection of the predecessor is refused: no descriptors are left for it");
        return NULL;
    }
    struct conn *c = conn_adopt(w, &row, -1, -1);
    if (!c)
        return NULL;
    c->cell = candidates_adopt(&w->candidates, row.pool, row.backend_id);
    size_t for_client = given->unsent_bytes[CLIENT], for_backend = given->unsent_bytes[BACKEND];
    if (!c->cell || !read_unsent(c, CLIENT, unsent_fd, unsent_at, for_client) ||
        !read_unsent(c, BACKEND, unsent_fd, unsent_at + for_client, for_backend)) {
        conn_given(w, c);
        return NULL;
    }
    for (enum conn_end end = CLIENT; end <= BACKEND; end++) {
        c->side[end].io.fd = fds[end];
        fds[end] = -1;
    }
    return c;
}

static bool giver_is_dead(const struct taker *t)
{
    struct pollfd p = {.fd = t->pidfd, .events = POLLIN};
    return t->pidfd < 0 || poll(&p, 1, 0) == 1;
}

static void take_move(struct worker *w, const struct msg *m, int *fds, unsigned n_fds)
{
    struct taker *t = w->taker;
    const char *why;
    if (!move_check(m, n_fds, &why)) {
        log_error("a batch is refused: %s", why);
        channel_io_fini(&t->channel);
        return;
    }
    fault_point("take.batch");
    const struct msg_move *b = msg_body(m);
    const struct msg_move_row *rows = move_rows(m);
    struct conn *taken[MOVE_BATCH_MAX];
    struct msg_moved answer = {0};
    uint64_t unsent_at = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        taken[i] = adopt(w, &rows[i], fds + 2 * i, b->unsent ? fds[2 * b->n] : -1, unsent_at);
        unsent_at += (uint64_t)rows[i].unsent_bytes[CLIENT] + rows[i].unsent_bytes[BACKEND];
        answer.taken |= (uint64_t)(taken[i] != NULL) << i;
    }
    fault_point("take.built");
    for (uint32_t i = 0; i < b->n; i++)
        if (taken[i])
            conn_count(w, taken[i]);
    struct msg_credit credit = {.n = 1};
    bool answered = channel_io_send(&t->channel, MSG_MOVED, m->serial, &answer, sizeof answer, NULL, 0) ||
                    giver_is_dead(t);
    channel_io_send(&t->channel, MSG_CREDIT, 0, &credit, sizeof credit, NULL, 0);
    fault_point("take.answered");
    for (uint32_t i = 0; i < b->n; i++) {
        if (!taken[i])
            continue;
        if (!answered) {
            conn_given(w, taken[i]); /* it goes on over there */
            continue;
        }
        t->taken++;
        taken[i]->frozen = false;
        conn_drive(w, taken[i], EVENT_TIME);
    }
    fault_point("take.done");
}

/* ---- the channel ---- */

static void on_giver(void *ctx, struct channel_io *ch, const struct msg *m, int *fds, unsigned n_fds)
{
    (void)ch;
    struct worker *w = ctx;
    if (m->type == MSG_MOVE)
        take_move(w, m, fds, n_fds);
    else if (m->type == MSG_DICTIONARY)
        take_dictionary(w, m);
    else
        log_warning("the predecessor sent a %s, which is not for a taker", msg_type_name(m->type));
}

static void taker_free(struct worker *w)
{
    struct taker *t = w->taker;
    if (!t)
        return;
    channel_io_fini(&t->channel);
    if (t->pidfd >= 0)
        close(t->pidfd);
    free(t->backends);
    free(t);
    w->taker = NULL;
}

static void on_giver_closed(void *ctx, struct channel_io *ch, const char *why)
{
    (void)ch;
    struct worker *w = ctx;
    log_info("the predecessor has gone%s%s: %llu connections came", why ? ": " : "", why ? why : "",
             (unsigned long long)w->taker->taken);
    taker_free(w);
}

void take_begin(struct worker *w, int fd, uint32_t pid)
{
    fault_point("take.begin");
    taker_free(w);
    struct taker *t = calloc(1, sizeof *t);
    if (!t) {
        log_error("out of memory: nothing can be taken from the predecessor");
        close(fd);
        return;
    }
    for (uint32_t i = 0; i < CONFIG_LISTENERS_MAX; i++)
        t->listeners[i] = -1;
    for (uint32_t i = 0; i < CONFIG_POOLS_MAX; i++)
        t->pools[i] = -1;
    t->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0); /* -1: it is dead already */
    w->taker = t;
    channel_io_init(&t->channel, w->loop, fd, on_giver, on_giver_closed, w);
    struct msg_credit credit = {.n = WORKER_TAKE_CREDIT};
    channel_io_send(&t->channel, MSG_CREDIT, 0, &credit, sizeof credit, NULL, 0);
}
