/* One connection's life: head, answer, echo, end. It never holds more than what one read has made of 64 KiB:
 * while something waits to be written nothing is read. */
#ifndef WSLB_ECHO_CONN_H
#define WSLB_ECHO_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/timer_wheel.h"
#include "echo.h"
#include "net/io.h"
#include "proto/http_head.h"
#include "server.h"

enum conn_state {
    CONN_HEAD,   /* reads the request */
    CONN_HELD,   /* reads nothing: answer delayed, stalled or not accepted */
    CONN_OPEN,   /* echoes */
    CONN_ENDING, /* writes what is left, then FIN or RST */
    CONN_LINGER, /* our FIN is out; reads and forgets until the peer's */
    CONN_DEAD
};

struct conn {
    struct source source;
    uint8_t state; /* enum conn_state */
    bool upgraded;
    bool fails;      /* one of those that --fail is for, and it hasn't struck yet */
    bool close_sent; /* by us first; the client's Close is awaited */
    bool close_seen;
    bool end_by_rst;
    struct io io;
    uint32_t armed; /* events in the epoll set */
    struct server *server;
    struct conn *next, *prev;
    struct timer timer; /* of the state: time-out, delay, next push */
    struct http_scan scan;
    uint32_t head_start, head_len;
    struct buffer *in;      /* head bytes, and what came behind them until it is answered */
    struct buffer *pending; /* what the kernel didn't take */
    uint64_t push_left;     /* bytes of a pushed message still to be written, after `pending` */
    struct echo echo;
};

/* Takes fd, also when it fails (out of memory). */
void conn_new(struct server *s, int fd);
void conn_event(struct conn *c, uint32_t events);
void conn_timer(struct conn *c);
/* Tells the client Close 1001 if it can still be told. */
void conn_go_away(struct conn *c);
void conn_kill(struct conn *c);

/* For answer.c. After any of them the connection may be dead. */
void conn_state_set(struct conn *c, enum conn_state state, uint64_t timeout_ms); /* 0: none */
/* Writes, and keeps what the kernel doesn't take. Nothing but `pending` may be waiting. */
void conn_emit(struct conn *c, const void *bytes, size_t n);
/* Once all is written, FIN or RST. */
void conn_end(struct conn *c, bool rst);
/* The failure strikes: what it sends goes to `out` (at most WS_CLOSE_MAX bytes), its length is returned. */
size_t conn_strike(struct conn *c, uint8_t *out);
/* n bytes of frames that stand at the server's scratch + ECHO_ROOM. */
void conn_take_frames(struct conn *c, size_t n);

#endif
