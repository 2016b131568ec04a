/* PICK and DIAL: a backend is chosen and connected; one that can't be is never tried again for this client,
 * another is. */
#include <errno.h>
#include <stdlib.h>

#include "worker/worker_int.h"

static struct log_limit failed_log;

/* What the client does meanwhile: bytes are kept up to a bound, an end ends it. (tcp's client isn't read: its
 * FIN may be all right.) */
bool handshake_client_stays(struct worker *w, struct conn *c, unsigned events)
{
    struct side *s = &c->side[CLIENT];
    if (!c->row.websocket) {
        s->want = 0;
        return true;
    }
    size_t room = handshake_room(w, c);
    if (events & EVENT_CLIENT_READ && room) {
        ssize_t n = io_read(&s->io, w->scratch, room < sizeof w->scratch ? room : sizeof w->scratch);
        if (n == 0 || n == IO_LOST) {
            conn_reason(c, CLOSE_REASON_client_gone);
            return false;
        }
        if (n > 0) {
            if (!buffer_append(&c->hs->in, w->scratch, (size_t)n)) {
                conn_reason(c, CLOSE_REASON_no_memory);
                return false;
            }
            room -= (size_t)n;
        }
    }
    s->want = room ? EV_READ : 0;
    return true;
}

void conn_release_place(struct worker *w, struct conn *c)
{
    if (c->cell)
        candidates_release(&w->candidates, c->row.pool, c->row.backend_id, c->cell);
    c->cell = NULL;
    c->row.placed = false;
}

enum conn_state step_pick(struct worker *w, struct conn *c, unsigned events)
{
    (void)events;
    if (c->refused)
        return conn_refuse(w, c, 503, "too many connections", (enum close_reason)c->row.reason);
    if (!c->hs) { /* tcp: there was no head */
        if (!(c->hs = calloc(1, sizeof *c->hs)))
            return conn_refuse(w, c, 503, "out of memory", CLOSE_REASON_no_memory);
        c->hs->until_ms = w->now_ms + conn_listener(w, c)->establish_timeout_ms;
    }
    struct handshake *h = c->hs;
    if (w->now_ms >= h->until_ms)
        return conn_refuse(w, c, 504, "no backend answered in time", CLOSE_REASON_establish_timeout);
    if (!candidates_pick(&w->candidates, c->row.pool, h->tried, h->n_tried, w->now_ms, &c->row.backend_id,
                         &c->cell))
        return h->n_tried
                   ? conn_refuse(w, c, 502, "no backend could be reached", CLOSE_REASON_backend_connect)
                   : conn_refuse(w, c, 503, "no backend is available", CLOSE_REASON_no_backend);
    c->row.placed = true;
    if (h->n_tried) {
        c->row.retries++;
        shm_add(&shm_listener_cell(&w->shm, w->seat, c->row.listener)->retries_total, 1);
        shm_add(&shm_pool_cell(&w->shm, w->seat, c->row.pool)->retries_connect_total, 1);
    }
    return CONN_DIAL;
}

/* The connect has failed: another backend is next. */
static enum conn_state failed(struct worker *w, struct conn *c, int error)
{
    struct handshake *h = c->hs;
    uint32_t slot = shm_id_slot(c->row.backend_id);
    char address[ADDRESS_TEXT_MAX];
    address_format(&shm_backend(&w->shm, slot)->address, address);
    log_limited(&failed_log, LOG_LEVEL_WARNING, "backend %s (%s): connect failed: %s",
                shm_backend(&w->shm, slot)->name, address, strerrordesc_np(error));
    shm_add(&c->cell->failures, 1);
    candidates_failed(&w->candidates, c->row.pool, c->row.backend_id, w->now_ms);
    flow_drop(w, c, BACKEND, false);
    if (h->n_tried == h->cap_tried) {
        uint32_t cap = h->cap_tried ? 2 * h->cap_tried : 4;
        uint32_t *tried = realloc(h->tried, cap * sizeof *tried);
        if (!tried)
            return conn_refuse(w, c, 503, "out of memory", CLOSE_REASON_no_memory);
        h->tried = tried;
        h->cap_tried = cap;
    }
    h->tried[h->n_tried++] = slot;
    return CONN_PICK;
}

static enum conn_state connected(const struct conn *c)
{
    return c->row.websocket ? CONN_REPLY : CONN_RELAY;
}

/* A backend that is near has answered before connect() comes back, though that says "in progress": the head
 * tells, and a turn of the loop is saved. */
static enum conn_state head_first(struct worker *w, struct conn *c, const struct address *to)
{
    struct io *io = &c->side[BACKEND].io;
    struct buffer **head = &c->hs->head;
    ssize_t n = io_write(io, buffer_bytes(*head), buffer_len(*head));
    if (n == IO_LOST)
        return failed(w, c, errno); /* the write has taken the socket's error: nobody else will see it */
    if (n > 0 && io_is_own(io, to))
        return failed(w, c, ECONNREFUSED);
    if (n > 0) {
        buffer_consume(head, (size_t)n);
        return CONN_REPLY;
    }
    c->side[BACKEND].want = EV_WRITE;
    return CONN_DIAL;
}

static enum conn_state begin(struct worker *w, struct conn *c)
{
    const struct config_listener *l = conn_listener(w, c);
    uint64_t user_ms = l->keepalive_ms > l->stall_timeout_ms ? l->keepalive_ms : l->stall_timeout_ms;
    uint64_t until = w->now_ms + conn_pool(w, c)->connect_timeout_ms;
    conn_until(c, until < c->hs->until_ms ? until : c->hs->until_ms);
    const struct shm_backend *row = shm_backend(&w->shm, shm_id_slot(c->row.backend_id));
    switch (io_connect(&c->side[BACKEND].io, &row->address, l->keepalive_ms, user_ms)) {
    case 1:
        return connected(c);
    case 0:
        if (c->row.websocket)
            return head_first(w, c, &row->address);
        c->side[BACKEND].want = EV_WRITE;
        return CONN_DIAL;
    default:
        if (errno == EMFILE || errno == ENFILE)
            return conn_refuse(w, c, 503, "out of descriptors", CLOSE_REASON_out_of_descriptors);
        if (errno == ENOMEM || errno == ENOBUFS)
            return conn_refuse(w, c, 503, "out of memory", CLOSE_REASON_no_memory);
        return failed(w, c, errno);
    }
}

enum conn_state step_dial(struct worker *w, struct conn *c, unsigned events)
{
    if (events & EVENT_ENTER) {
        enum conn_state next = begin(w, c);
        if (next != CONN_DIAL)
            return next;
    }
    if (!handshake_client_stays(w, c, events))
        return CONN_CLOSED;
    if (events & EVENT_BACKEND_WRITE) {
        int error = io_connected(&c->side[BACKEND].io);
        return error ? failed(w, c, error) : connected(c);
    }
    if (events & EVENT_TIME) {
        if (w->now_ms >= c->hs->until_ms) {
            shm_add(&c->cell->failures, 1);
            return conn_refuse(w, c, 504, "no backend answered in time", CLOSE_REASON_establish_timeout);
        }
        return failed(w, c, ETIMEDOUT);
    }
    return CONN_DIAL;
}
