/* A channel on a libev loop: messages go out without blocking (what the kernel doesn't take is queued, in
 * order, up to a bound) and come in checked. The receiver's callback gets one whole message at a time. A
 * channel that breaks (peer gone, message cut or malformed, queue over its bound) is closed and says so once,
 * from the loop, never from inside channel_io_send. */
#ifndef NET_CHANNEL_IO_H
#define NET_CHANNEL_IO_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/channel.h"

#define CHANNEL_QUEUE_MAX (1u << 20) /* bytes */

struct channel_io;

/* *m is valid during the call only. Descriptors are the callee's: it takes what it keeps by setting the place
 * to -1, the rest is closed after the call. The callee may close the channel (channel_io_fini) or the whole
 * process. */
typedef void (*channel_io_message)(void *ctx, struct channel_io *c, const struct msg *m, int *fds,
                                   unsigned n_fds);
/* why: NULL when the peer has just closed. The channel is already finished. */
typedef void (*channel_io_closed)(void *ctx, struct channel_io *c, const char *why);

struct channel_out;
struct channel_io {
    struct ev_loop *loop;
    ev_io in, out;
    ev_timer retry; /* for when a send fails though the socket is writable */
    struct channel_out *head, **tail;
    size_t queued_bytes;
    bool broken;     /* on_closed is due */
    const char *why; /* then: for on_closed */
    bool *gone;      /* set by channel_io_fini for the callback that runs now */
    channel_io_message on_message;
    channel_io_closed on_closed;
    void *ctx;
};

/* Takes fd (non-blocking, from fdpass_pair or inherited). */
void channel_io_init(struct channel_io *c, struct ev_loop *loop, int fd, channel_io_message on_message,
                     channel_io_closed on_closed, void *ctx);
/* Closes it and drops what is queued; fine when it is closed already or zeroed. on_closed isn't called. */
void channel_io_fini(struct channel_io *c);
bool channel_io_is_open(const struct channel_io *c);

/* Sends or queues; the body is copied, descriptors are duplicated when they have to wait (the caller keeps
 * its own). false: the channel isn't open, or is broken by this very message (on_closed follows from the
 * loop). body 2 is appended to body 1 (NULL: none). */
bool channel_io_send(struct channel_io *c, enum msg_type type, uint64_t serial, const void *body, size_t n,
                     const int *fds, unsigned n_fds);
bool channel_io_send2(struct channel_io *c, enum msg_type type, uint64_t serial, const void *body, size_t n,
                      const void *body2, size_t n2, const int *fds, unsigned n_fds);

/* As channel_io_send2, but never queues: false when the kernel doesn't take it now (log lines, which are
 * dropped and counted). */
bool channel_io_try(struct channel_io *c, enum msg_type type, uint64_t serial, const void *body, size_t n,
                    const void *body2, size_t n2);

#endif
