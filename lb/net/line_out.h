/* Whole lines to a descriptor whose reader may be slow, stopped or gone and whose disk may be full, without
 * ever waiting. What isn't taken at once waits in memory, at most LINE_OUT_MAX bytes, and goes out from the
 * loop; lines beyond that, or that a full disk refuses, are lost and counted. A line that was taken in part
 * is finished before another one begins, so that no line is ever cut in two or mixed with another.
 *
 * What a write could wait for is known by the descriptor: a file waits for its disk only; a pipe, terminal or
 * socket of our own is non-blocking; a pipe or terminal that others share can't be made so and is polled
 * before each write, of at most PIPE_BUF bytes. */
#ifndef NET_LINE_OUT_H
#define NET_LINE_OUT_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

#define LINE_OUT_MAX (256u * 1024)

/* So many lines are lost; error is an errno, or 0: too many waited already. Called from line_out_put, _flush
 * and _to, and from the loop; it must not put lines here. */
typedef void (*line_out_lost)(void *ctx, uint64_t lines, int error);

enum line_out_way {
    LINE_OUT_NOWHERE, /* whatever is put is lost */
    LINE_OUT_FILE,
    LINE_OUT_PIPE,   /* non-blocking */
    LINE_OUT_SHARED, /* blocking: polled first */
    LINE_OUT_SOCKET,
    LINE_OUT_SYSLOG, /* a datagram for each line, to the local daemon */
};

struct line_out {
    struct ev_loop *loop;
    ev_timer retry; /* runs while lines wait for a reader */
    enum line_out_way way;
    int fd;
    int error; /* of the last write, unless it would only have waited; 0: it was fine */
    bool torn; /* the first line of the queue was taken in part */
    struct buffer *queue;
    line_out_lost lost;
    void *ctx;
};

/* To nowhere, at first. */
void line_out_init(struct line_out *o, struct ev_loop *loop, line_out_lost lost, void *ctx);
/* Takes fd. What waits goes to the one before as far as that takes it, the rest to the new one. */
void line_out_to(struct line_out *o, int fd);
/* To syslog's socket, found anew for each line, so that a daemon may be restarted. false: a socket was
 * refused (errno) and nothing has changed. */
bool line_out_to_syslog(struct line_out *o);

/* n bytes that end with a newline; nothing is written before line_out_flush. */
void line_out_put(struct line_out *o, const char *lines, size_t n);
void line_out_flush(struct line_out *o);

/* Gives what waits so long to be taken, then closes; what is left is lost and counted. */
void line_out_fini(struct line_out *o, unsigned patience_ms);

#endif
