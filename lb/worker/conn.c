#include "worker/conn.h"

#include <stddef.h>
#include <stdlib.h>

#include "worker/worker_int.h"

static void on_client(struct ev_loop *loop, ev_io *w, int revents);
static void on_backend(struct ev_loop *loop, ev_io *w, int revents);

/* Watchers, sockets and a place at the end of the list. */
static struct conn *make(struct worker *w, int client_fd, int backend_fd)
{
    struct conn *c = slab_take(&w->slab);
    if (!c)
        return NULL;
    c->side[CLIENT].io = (struct io){.fd = client_fd, .kind = IO_PLAIN};
    c->side[BACKEND].io = (struct io){.fd = backend_fd, .kind = IO_PLAIN};
    ev_init(&c->side[CLIENT].watcher, on_client);
    ev_init(&c->side[BACKEND].watcher, on_backend);
    c->side[CLIENT].watcher.data = c->side[BACKEND].watcher.data = w;
    c->until_ms = TIMER_NEVER;

    c->prev = w->conns_last;
    if (w->conns_last)
        w->conns_last->next = c;
    else
        w->conns = c;
    w->conns_last = c;
    w->n_conns++;
    return c;
}

struct conn *conn_new(struct worker *w, uint16_t listener, int fd, const struct address *peer)
{
    struct conn *c = make(w, fd, -1);
    if (!c)
        return NULL;
    const struct config_listener *l = &w->config->listeners[listener];
    struct conn_row *r = &c->row;
    r->id = session_id_next(&w->ids, w->now_ms);
    r->opened_ms = w->now_ms;
    r->listener = listener;
    r->pool = (uint16_t)l->pool;
    r->websocket = l->protocol == CONFIG_PROTOCOL_WEBSOCKET;
    r->state = r->websocket ? CONN_HEAD : CONN_PICK;
    r->connect_ms = r->handshake_ms = CONN_NO_MS;
    address_to_ip(peer, &r->client);
    ws_frame_init(&r->side[CLIENT].frame, true);
    ws_frame_init(&r->side[BACKEND].frame, false);
    return c;
}

struct conn *conn_adopt(struct worker *w, const struct conn_row *row, int client_fd, int backend_fd)
{
    struct conn *c = make(w, client_fd, backend_fd);
    if (!c)
        return NULL;
    c->row = *row;
    c->frozen = true;
    c->side[CLIENT].stalled_ms = c->side[BACKEND].stalled_ms = (uint32_t)w->now_ms;
    return c;
}

void conn_bury(struct worker *w, struct conn *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        w->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else
        w->conns_last = c->prev;
    w->n_conns--;
    c->next = w->dead;
    w->dead = c;
}

static void on_client(struct ev_loop *loop, ev_io *io, int revents)
{
    (void)loop;
    struct conn *c = (struct conn *)((char *)io - offsetof(struct conn, side[CLIENT].watcher));
    conn_drive(io->data, c, (unsigned)revents & (EV_READ | EV_WRITE));
}

static void on_backend(struct ev_loop *loop, ev_io *io, int revents)
{
    (void)loop;
    struct conn *c = (struct conn *)((char *)io - offsetof(struct conn, side[BACKEND].watcher));
    conn_drive(io->data, c, ((unsigned)revents & (EV_READ | EV_WRITE)) << 2);
}

_Static_assert((int)EV_READ == (int)EVENT_CLIENT_READ && (int)EV_WRITE == (int)EVENT_CLIENT_WRITE,
               "events are libev's bits");

void conn_free(struct worker *w, struct conn *c)
{
    conn_handshake_free(w, c);
    free(c->ending);
    slab_give(&w->slab, c);
}

void conn_handshake_free(struct worker *w, struct conn *c)
{
    struct handshake *h = c->hs;
    if (!h)
        return;
    buffer_free(&h->in);
    buffer_free(&h->head);
    buffer_free(&h->answer);
    free(h->tried);
    free(h);
    c->hs = NULL;
    w->trim_in = WORKER_TRIM_BEATS;
}

void conn_reason(struct conn *c, enum close_reason reason)
{
    if (c->row.reason == CLOSE_REASON_NONE)
        c->row.reason = (uint16_t)reason;
}

void conn_until(struct conn *c, uint64_t ms)
{
    c->until_ms = ms;
}

bool conn_ask_end(struct conn *c, uint16_t code, enum close_reason reason, uint64_t at_ms,
                  uint64_t deadline_ms)
{
    if (c->ending && c->ending->at_ms <= at_ms)
        return true;
    if (!c->ending)
        c->ending = malloc(sizeof *c->ending);
    if (!c->ending)
        return false;
    *c->ending =
        (struct ending){.at_ms = at_ms, .deadline_ms = deadline_ms, .code = code, .reason = (uint16_t)reason};
    return true;
}

bool conn_is_open(const struct conn *c, enum conn_end end)
{
    return c->side[end].io.fd >= 0;
}
