/* Giving connections to a successor: frozen, sent in batches, closed here when the taker has said that they
 * are its own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fault.h"
#include "worker/worker_int.h"

static bool movable(const struct conn *c)
{
    return c->row.state == CONN_RELAY && !c->frozen && !c->unmovable && !c->ending && !c->broken;
}

static void freeze(struct worker *w, struct conn *c)
{
    c->frozen = true;
    ev_io_stop(w->loop, &c->side[CLIENT].watcher);
    ev_io_stop(w->loop, &c->side[BACKEND].watcher);
    timer_cancel(&w->wheel, &c->timer);
}

static void thaw(struct worker *w, struct conn *c)
{
    c->frozen = false;
    if (!c->counted)
        conn_count(w, c);
    conn_drive(w, c, EVENT_TIME); /* whatever was due meanwhile */
}

/* ---- what the ids mean ---- */

/* Places in `told`: a backend's slot, then pools, then listeners. */
static size_t told_pool(const struct worker *w, uint32_t pool)
{
    return w->shm.max_backends + pool;
}
static size_t told_listener(const struct worker *w, uint32_t listener)
{
    return (size_t)w->shm.max_backends + CONFIG_POOLS_MAX + listener;
}

static uint32_t add_entry(struct giver *g, size_t told, struct msg_entry *list, uint32_t n,
                          struct msg_entry entry, const char *name)
{
    if (g->told[told])
        return n;
    g->told[told] = true;
    list[n] = entry;
    snprintf(list[n].name, sizeof list[n].name, "%s", name);
    return n + 1;
}

_Static_assert(3 * MOVE_BATCH_MAX * sizeof(struct msg_entry) + sizeof(struct msg_dictionary) +
                       sizeof(struct msg) <=
                   2 * MSG_BYTES_MAX,
               "the entries of one batch fit into two messages");

/* Tells what the taker doesn't know yet of the ids in these rows. */
static bool tell_ids(struct worker *w, const struct batch *b)
{
    struct giver *g = w->giver;
    struct msg_entry list[3 * MOVE_BATCH_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        const struct conn_row *r = &b->conns[i]->row;
        uint32_t slot = shm_id_slot(r->backend_id);
        const struct shm_backend *row = shm_backend(&w->shm, slot);
        n = add_entry(g, told_listener(w, r->listener), list, n,
                      (struct msg_entry){.kind = ENTRY_LISTENER, .id = r->listener},
                      w->config->listeners[r->listener].name);
        n = add_entry(g, told_pool(w, r->pool), list, n,
                      (struct msg_entry){.kind = ENTRY_POOL, .id = r->pool}, w->config->pools[r->pool].name);
        n = add_entry(
            g, slot, list, n,
            (struct msg_entry){
                .kind = ENTRY_BACKEND, .id = r->backend_id, .pool = row->pool, .address = row->address},
            row->name);
    }
    for (uint32_t at = 0, k; at < n; at += k) {
        k = n - at < MOVE_ENTRIES_MAX ? n - at : (uint32_t)MOVE_ENTRIES_MAX;
        struct msg_dictionary d = {.n = k};
        if (!channel_io_send2(&g->channel, MSG_DICTIONARY, 0, &d, sizeof d, list + at, k * sizeof *list, NULL,
                              0))
            return false;
    }
    return true;
}

/* ---- a batch ---- */

static bool write_all(int fd, const void *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t k = write(fd, (const char *)bytes + at, n - at);
        if (k < 0 && errno != EINTR)
            return false;
        at += k > 0 ? (size_t)k : 0;
    }
    return true;
}

/* The bytes that wait, in a memfd; -1: none do, -2: it can't be made. */
static int pack_unsent(const struct batch *b)
{
    int fd = -1;
    for (uint32_t i = 0; i < b->n; i++)
        for (enum conn_end end = CLIENT; end <= BACKEND; end++) {
            struct buffer *out = b->conns[i]->side[end].out;
            if (!out)
                continue;
            if (fd < 0 && (fd = memfd_create("wslb-unsent", MFD_CLOEXEC)) < 0)
                return -2;
            if (!write_all(fd, buffer_bytes(out), buffer_len(out))) {
                close(fd);
                return -2;
            }
        }
    return fd;
}

static bool send_batch(struct worker *w, struct batch *b)
{
    struct giver *g = w->giver;
    struct msg_move head = {.n = b->n, .row_bytes = sizeof(struct msg_move_row), .version = CONN_ROW_VERSION};
    struct msg_move_row rows[MOVE_BATCH_MAX];
    int fds[MSG_FDS_MAX];
    unsigned n_fds = 0;
    memset(rows, 0, b->n * sizeof *rows); /* padding, too, leaves the process */
    for (uint32_t i = 0; i < b->n; i++) {
        const struct conn *c = b->conns[i];
        memcpy(&rows[i].row, &c->row, sizeof c->row);
        for (enum conn_end end = CLIENT; end <= BACKEND; end++) {
            rows[i].unsent_bytes[end] = (uint32_t)buffer_len(c->side[end].out);
            fds[n_fds++] = c->side[end].io.fd;
        }
    }
    int unsent = pack_unsent(b);
    if (unsent == -2)
        return false;
    if (unsent >= 0) {
        head.unsent = 1;
        fds[n_fds++] = unsent;
    }
    bool sent = tell_ids(w, b) && channel_io_send2(&g->channel, MSG_MOVE, b->serial, &head, sizeof head, rows,
                                                   b->n * sizeof *rows, fds, n_fds);
    if (unsent >= 0)
        close(unsent);
    return sent;
}

static struct batch *free_batch(struct giver *g)
{
    for (unsigned i = 0; i < MOVE_UNDER_WAY; i++)
        if (!g->batches[i].n)
            return &g->batches[i];
    return NULL;
}

static void thaw_batch(struct worker *w, struct batch *b, uint64_t except)
{
    for (uint32_t i = 0; i < b->n; i++)
        if (b->conns[i] && !(except >> i & 1))
            thaw(w, b->conns[i]);
    b->n = 0;
}

void give_more(struct worker *w)
{
    struct giver *g = w->giver;
    if (!g || !channel_io_is_open(&g->channel))
        return;
    while (g->credit) {
        struct batch *b = free_batch(g);
        if (!b)
            return;
        if (!g->at && g->again) {
            g->at = w->conns;
            g->again = false;
        }
        size_t unsent = 0;
        b->serial = ++g->serial;
        for (; g->at && b->n < MOVE_BATCH_MAX && unsent < MOVE_UNSENT_MAX / 2; g->at = g->at->next)
            if (movable(g->at)) {
                unsent += buffer_len(g->at->side[CLIENT].out) + buffer_len(g->at->side[BACKEND].out);
                freeze(w, g->at);
                b->conns[b->n++] = g->at;
            }
        if (!b->n)
            return;
        g->credit--;
        fault_point("give.frozen");
        if (!send_batch(w, b)) {
            thaw_batch(w, b, 0);
            return;
        }
        /* From here on they are in nobody's gauges but their backend's (a limit must not see a free place)
         * until the taker counts them: were they still in ours when we are killed, they would be booked as
         * dead though they live on. */
        for (uint32_t i = 0; i < b->n; i++)
            conn_uncount(w, b->conns[i]);
        fault_point("give.sent");
    }
}

/* ---- answers ---- */

static void take_moved(struct worker *w, const struct msg *m)
{
    struct giver *g = w->giver;
    uint64_t taken = ((const struct msg_moved *)msg_body(m))->taken;
    for (unsigned k = 0; k < MOVE_UNDER_WAY; k++) {
        struct batch *b = &g->batches[k];
        if (!b->n || b->serial != m->serial)
            continue;
        fault_point("give.answered");
        for (uint32_t i = 0; i < b->n; i++) {
            struct conn *c = b->conns[i];
            if (!c)
                continue;
            b->conns[i] = NULL;
            if (taken >> i & 1) {
                g->given++;
                conn_given(w, c);
            } else {
                c->unmovable = true;
                thaw(w, c);
            }
        }
        b->n = 0;
        fault_point("give.closed");
        return;
    }
}

static void on_taker(void *ctx, struct channel_io *ch, const struct msg *m, int *fds, unsigned n_fds)
{
    (void)ch;
    (void)fds;
    (void)n_fds;
    struct worker *w = ctx;
    if (m->type == MSG_MOVED) {
        take_moved(w, m);
    } else if (m->type == MSG_CREDIT) {
        uint32_t more = ((const struct msg_credit *)msg_body(m))->n;
        w->giver->credit += more <= MOVE_UNDER_WAY ? more : 0;
    } else {
        log_warning("the successor sent a %s, which is not for a giver", msg_type_name(m->type));
    }
}

/* See proto/move.h: a taker that has died has taken nothing beyond what it answered; one that lives may have.
 */
static void on_taker_closed(void *ctx, struct channel_io *ch, const char *why)
{
    (void)ch;
    struct worker *w = ctx;
    struct giver *g = w->giver;
    log_warning("the successor has gone%s%s with %u connections left here", why ? ": " : "", why ? why : "",
                w->n_conns);
    for (unsigned k = 0; k < MOVE_UNDER_WAY; k++) {
        struct batch *b = &g->batches[k];
        for (uint32_t i = 0; why && i < b->n; i++)
            if (b->conns[i])
                conn_given(w, b->conns[i]);
        thaw_batch(w, b, why ? UINT64_MAX : 0);
    }
}

void give_begin(struct worker *w, int fd)
{
    if (!w->giver) {
        size_t places = told_listener(w, CONFIG_LISTENERS_MAX);
        w->giver = calloc(1, sizeof *w->giver);
        bool *told = calloc(places, sizeof *told);
        if (!w->giver || !told) {
            log_error("out of memory: no connection can move");
            free(w->giver);
            free(told);
            w->giver = NULL;
            close(fd);
            return;
        }
        w->giver->told = told;
    }
    struct giver *g = w->giver;
    if (channel_io_is_open(
            &g->channel)) { /* a second successor while the first lives: its turn comes when that is gone */
        log_warning("a second successor is refused");
        close(fd);
        return;
    }
    fault_point("give.begin");
    accept_close(w);
    shm_set32(&w->seat->state, SHM_SEAT_LEAVING);
    memset(g->told, 0, told_listener(w, CONFIG_LISTENERS_MAX));
    g->credit = 0;
    g->at = NULL;
    g->again = true;
    for (struct conn *c = w->conns; c; c = c->next)
        c->unmovable = false;
    channel_io_init(&g->channel, w->loop, fd, on_taker, on_taker_closed, w);
    log_info("leaving: %u connections move to the successor", w->n_conns);
}

void give_forget(struct worker *w, const struct conn *c)
{
    struct giver *g = w->giver;
    if (!g)
        return;
    if (g->at == c)
        g->at = c->next;
    for (unsigned k = 0; k < MOVE_UNDER_WAY; k++)
        for (uint32_t i = 0; i < g->batches[k].n; i++)
            if (g->batches[k].conns[i] == c)
                g->batches[k].conns[i] = NULL;
}
