/* One WebSocket of the load generator: connect, upgrade, messages there and back, clean end. What it has sent
 * and compared is a pair of numbers, never a buffer. It tells its load (load.h) what has become of it. */
#ifndef WSLB_BENCH_CLIENT_H
#define WSLB_BENCH_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/timer_wheel.h"
#include "net/io.h"
#include "payload.h"
#include "proto/http_head.h"
#include "proto/ws_endpoint.h"
#include "results.h"

#define CLIENT_CONTROL_MAX 125

enum client_state {
    CLIENT_NONE, /* not begun, or gone */
    CLIENT_CONNECTING,
    CLIENT_ASKING, /* the request is out, the answer isn't whole */
    CLIENT_OPEN,
    CLIENT_CLOSING, /* our Close is out */
    CLIENT_CLOSED,  /* so is theirs: only their FIN is left */
    CLIENT_LEAVING  /* they closed without our asking: booked as an error, waits for their FIN */
};

struct load;
struct client {
    struct load *load;
    struct io io;
    uint32_t armed;    /* events in the epoll set */
    uint8_t state;     /* enum client_state */
    bool blocked;      /* the socket takes no more for now */
    bool mute;         /* a write has failed: what there is to read says why */
    uint64_t identity; /* unique over all processes: key, payloads */
    uint64_t began_ns; /* of the connect */
    uint64_t sent_ns;  /* of the message under way (closed loop) */
    struct timer timer;
    struct http_scan scan;
    struct buffer *head; /* of the answer, while it isn't whole */
    struct buffer *out;  /* request and control frames that wait for the socket or for the end of a frame */
    struct ws_endpoint rx;
    uint64_t due;         /* messages that should have been begun */
    uint64_t tx, tx_at;   /* the message that is being sent, and how much of its frame has gone */
    uint64_t got, got_at; /* the message that is awaited, and how much of its payload was compared */
    struct payload want;  /* of message `got` */
    uint8_t control[CLIENT_CONTROL_MAX];
};

/* Begins; the load is told by load_settled whether it opened. */
void client_start(struct client *c, uint64_t identity);
void client_event(struct client *c, uint32_t events);
void client_timer(struct client *c);
/* One more message is due. */
void client_send(struct client *c);
/* Begins a clean end (of an open one). */
void client_close(struct client *c);

/* For client_in.c. */
/* Books the error and drops the connection. */
void client_fail(struct client *c, enum result_error kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void client_gone(struct client *c); /* closes it, without an error */
/* Enters a state; from the second on a time-out runs, but for CLIENT_OPEN. */
void client_enter(struct client *c, enum client_state state);
/* Queues a masked control frame and writes what can be written. */
void client_control(struct client *c, uint8_t opcode, const uint8_t *payload, size_t n);
/* Writes the key that goes with the identity, with its NUL. */
#define CLIENT_KEY_LEN 24
void client_key(uint64_t identity, char key[CLIENT_KEY_LEN + 1]);

/* client_in.c: reads once and takes what came. */
void client_read(struct client *c);

#endif
