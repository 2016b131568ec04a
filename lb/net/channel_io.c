#include "net/channel_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fdpass.h"

#define RECEIVE_BATCH 16 /* messages a callback, so that a talkative peer starves nobody */
#define RETRY_S       0.02
#define WHY_MAX       160

/* A message that waits: one block with its packet and duplicates of its descriptors. */
struct channel_out {
    struct channel_out *next;
    size_t n;
    unsigned n_fds;
    int fds[MSG_FDS_MAX];
    unsigned char packet[];
};

static void close_fds(int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static size_t block_bytes(size_t packet_bytes)
{
    return sizeof(struct channel_out) + packet_bytes;
}

static void drop_first(struct channel_io *c)
{
    struct channel_out *o = c->head;
    c->head = o->next;
    if (!c->head)
        c->tail = &c->head;
    c->queued_bytes -= block_bytes(o->n);
    close_fds(o->fds, o->n_fds);
    free(o);
}

static void drop_all(struct channel_io *c)
{
    while (c->head)
        drop_first(c);
}

/* Finishes the channel from the loop. The callee may free c, so nothing touches it after on_closed. */
static void closed(struct channel_io *c, const char *why)
{
    channel_io_closed on_closed = c->on_closed;
    void *ctx = c->ctx;
    channel_io_fini(c);
    on_closed(ctx, c, why);
}

/* Nothing goes out any more; on_closed follows from the loop. `why` is a constant; NULL: the peer has gone,
 * and its last messages may still be in our queue. */
static void break_off(struct channel_io *c, const char *why)
{
    c->broken = true;
    c->why = why;
    drop_all(c);
    ev_io_stop(c->loop, &c->out);
    ev_timer_stop(c->loop, &c->retry);
    ev_feed_event(c->loop, &c->in, EV_CUSTOM);
}

static void break_off_by_errno(struct channel_io *c)
{
    bool gone = errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN;
    break_off(c, gone ? NULL : "a message can't be sent");
}

/* ---- receiving ---- */

/* Hands one packet to its receiver. false: c is finished, or is to be touched no more. */
static bool deliver(struct channel_io *c, const void *packet, size_t n, int *fds, unsigned n_fds)
{
    const struct msg *m = packet;
    const char *why;
    if (!msg_check(packet, n, n_fds, &why)) {
        char text[WHY_MAX];
        close_fds(fds, n_fds);
        snprintf(text, sizeof text, "a message (%s) is %s", n < sizeof *m ? "?" : msg_type_name(m->type),
                 why);
        closed(c, text);
        return false;
    }
    bool gone = false, *outer = c->gone;
    c->gone = &gone;
    c->on_message(c->ctx, c, m, fds, n_fds);
    close_fds(fds, n_fds);
    if (gone) {
        if (outer)
            *outer = true;
        return false;
    }
    c->gone = outer;
    return true;
}

static void receive(struct ev_loop *loop, ev_io *w, int revents)
{
    (void)loop;
    (void)revents;
    struct channel_io *c = w->data;
    uint64_t packet[MSG_BYTES_MAX / sizeof(uint64_t)];
    int fds[MSG_FDS_MAX];
    for (unsigned i = 0; i < RECEIVE_BATCH; i++) {
        unsigned n_fds;
        if (c->broken && c->why) {
            closed(c, c->why);
            return;
        }
        ssize_t n = fdpass_recv(c->in.fd, packet, sizeof packet, fds, MSG_FDS_MAX, &n_fds);
        if (n > 0) {
            if (!deliver(c, packet, (size_t)n, fds, n_fds))
                return;
            continue;
        }
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && !c->broken)
            return;
        /* Broken and nothing there: all that the peer had said has been heard. */
        if (n == 0 || c->broken || errno == ECONNRESET)
            closed(c, NULL);
        else
            closed(c, errno == EBADMSG ? "a message was cut" : strerror(errno));
        return;
    }
}

/* ---- sending ---- */

static void flush(struct ev_loop *loop, ev_io *w, int revents)
{
    (void)revents;
    struct channel_io *c = w->data;
    bool progress = false;
    while (c->head) {
        int sent = fdpass_send(w->fd, c->head->packet, c->head->n, c->head->fds, c->head->n_fds);
        if (sent < 0) {
            break_off_by_errno(c);
            return;
        }
        if (sent == 0) {
            /* Writable and yet refused: memory, or too many descriptors in flight. Polling would spin. */
            if (!progress) {
                ev_io_stop(loop, w);
                ev_timer_again(loop, &c->retry);
            }
            return;
        }
        progress = true;
        drop_first(c);
    }
    ev_io_stop(loop, w);
}

static void retry(struct ev_loop *loop, ev_timer *w, int revents)
{
    (void)revents;
    struct channel_io *c = w->data;
    ev_timer_stop(loop, w);
    ev_io_start(loop, &c->out);
}

/* false: *why says what hinders it; nothing has changed. */
static bool enqueue(struct channel_io *c, const void *packet, size_t n, const int *fds, unsigned n_fds,
                    const char **why)
{
    *why = "its queue is full: the peer doesn't read";
    if (block_bytes(n) > CHANNEL_QUEUE_MAX - c->queued_bytes)
        return false;
    *why = "no memory for its queue";
    struct channel_out *o = malloc(block_bytes(n));
    if (!o)
        return false;
    o->next = NULL;
    o->n = n;
    memcpy(o->packet, packet, n);
    *why = "no descriptors for its queue";
    for (o->n_fds = 0; o->n_fds < n_fds; o->n_fds++) {
        o->fds[o->n_fds] = fcntl(fds[o->n_fds], F_DUPFD_CLOEXEC, 0);
        if (o->fds[o->n_fds] < 0) {
            close_fds(o->fds, o->n_fds);
            free(o);
            return false;
        }
    }
    *c->tail = o;
    c->tail = &o->next;
    c->queued_bytes += block_bytes(n);
    return true;
}

/* One packet of a header and both bodies; 0: it isn't a message that a receiver would take. */
static size_t pack(void *packet, enum msg_type type, uint64_t serial, const void *body, size_t n,
                   const void *body2, size_t n2, unsigned n_fds)
{
    const char *why;
    size_t room = MSG_BYTES_MAX - sizeof(struct msg);
    if (n > room || n2 > room - n || n_fds > MSG_FDS_MAX)
        return 0;
    struct msg m = {
        .version = MSG_VERSION, .type = (uint16_t)type, .bytes = (uint32_t)(n + n2), .serial = serial};
    unsigned char *p = packet;
    memcpy(p, &m, sizeof m);
    if (n > 0)
        memcpy(p + sizeof m, body, n);
    if (n2 > 0)
        memcpy(p + sizeof m + n, body2, n2);
    size_t whole = sizeof m + n + n2;
    return msg_check(packet, whole, n_fds, &why) ? whole : 0;
}

bool channel_io_send2(struct channel_io *c, enum msg_type type, uint64_t serial, const void *body, size_t n,
                      const void *body2, size_t n2, const int *fds, unsigned n_fds)
{
    uint64_t packet[MSG_BYTES_MAX / sizeof(uint64_t)];
    const char *why;
    if (!channel_io_is_open(c))
        return false;
    size_t whole = pack(packet, type, serial, body, n, body2, n2, n_fds);
    if (whole == 0) {
        break_off(c, "a message of our own is malformed");
        return false;
    }
    if (!c->head) {
        int sent = fdpass_send(c->out.fd, packet, whole, fds, n_fds);
        if (sent > 0)
            return true;
        if (sent < 0) {
            break_off_by_errno(c);
            return false;
        }
    }
    if (!enqueue(c, packet, whole, fds, n_fds, &why)) {
        break_off(c, why);
        return false;
    }
    if (!ev_is_active(&c->retry))
        ev_io_start(c->loop, &c->out);
    return true;
}

bool channel_io_send(struct channel_io *c, enum msg_type type, uint64_t serial, const void *body, size_t n,
                     const int *fds, unsigned n_fds)
{
    return channel_io_send2(c, type, serial, body, n, NULL, 0, fds, n_fds);
}

bool channel_io_try(struct channel_io *c, enum msg_type type, uint64_t serial, const void *body, size_t n,
                    const void *body2, size_t n2)
{
    uint64_t packet[MSG_BYTES_MAX / sizeof(uint64_t)];
    if (!channel_io_is_open(c) || c->head)
        return false;
    size_t whole = pack(packet, type, serial, body, n, body2, n2, 0);
    if (whole == 0)
        return false;
    int sent = fdpass_send(c->out.fd, packet, whole, NULL, 0);
    if (sent < 0)
        break_off_by_errno(c);
    return sent > 0;
}

/* ---- life ---- */

void channel_io_init(struct channel_io *c, struct ev_loop *loop, int fd, channel_io_message on_message,
                     channel_io_closed on_closed, void *ctx)
{
    memset(c, 0, sizeof *c);
    c->loop = loop;
    c->tail = &c->head;
    c->on_message = on_message;
    c->on_closed = on_closed;
    c->ctx = ctx;
    ev_io_init(&c->in, receive, fd, EV_READ);
    ev_io_init(&c->out, flush, fd, EV_WRITE);
    ev_timer_init(&c->retry, retry, 0., RETRY_S);
    c->in.data = c->out.data = c->retry.data = c;
    ev_io_start(loop, &c->in);
}

void channel_io_fini(struct channel_io *c)
{
    if (!c->loop)
        return;
    ev_io_stop(c->loop, &c->in);
    ev_io_stop(c->loop, &c->out);
    ev_timer_stop(c->loop, &c->retry);
    drop_all(c);
    close(c->in.fd);
    c->loop = NULL;
    if (c->gone)
        *c->gone = true;
    c->gone = NULL;
}

bool channel_io_is_open(const struct channel_io *c)
{
    return c->loop && !c->broken;
}
