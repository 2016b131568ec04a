/* One connection in a worker: its row (what moves), and around it what belongs to this process only. A step
 * looks at what has happened, does its state's work and returns the next state, or its own to wait; it says
 * what it waits for by `want` of each side and by conn_until. Steps never call steps, and only the driver
 * (drive.c) writes row.state. */
#ifndef WORKER_CONN_H
#define WORKER_CONN_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/timer_wheel.h"
#include "net/io.h"
#include "proto/close_reason.h"
#include "proto/conn_row.h"
#include "proto/conn_state.h"
#include "proto/http_accept.h"
#include "proto/http_body.h"
#include "proto/http_head.h"
#include "shm/table.h"

struct worker;

enum conn_end { CLIENT = 0, BACKEND = 1 };

/* What has happened, for a step. The bits of the backend are those of the client shifted by two. */
enum {
    EVENT_CLIENT_READ = 1,
    EVENT_CLIENT_WRITE = 2,
    EVENT_BACKEND_READ = 4,
    EVENT_BACKEND_WRITE = 8,
    EVENT_TIME = 16,  /* conn_until has passed, or somebody has changed what the conn waits for */
    EVENT_ENTER = 32, /* the state was just entered */
};
#define EVENT_READ(end)  ((unsigned)EVENT_CLIENT_READ << 2 * (end))
#define EVENT_WRITE(end) ((unsigned)EVENT_CLIENT_WRITE << 2 * (end))

struct side {
    ev_io watcher;
    struct buffer *out;  /* what waits until this side can take it */
    uint32_t stalled_ms; /* when `out` began to wait without progress, low 32 bits; valid while out is set */
    struct io io;
    uint8_t want; /* EV_READ, EV_WRITE; set by the step, armed by the driver */
};

/* What only a connection that hasn't opened yet needs. */
struct handshake {
    struct buffer *in;     /* from the client: its head and what came behind it */
    struct buffer *head;   /* the head as the backend gets it */
    struct buffer *answer; /* from the backend: its head and what came behind it */
    struct http_scan scan, answer_scan;
    struct http_body body;
    size_t answer_len; /* the answer's head in `answer`, once whole */
    uint32_t behind;   /* where in `in` the bytes behind the client's head begin */
    uint32_t n_interim;
    uint64_t until_ms; /* establish_timeout's end */
    uint64_t first_us; /* when the head's first byte came; 0: none has */
    uint64_t dial_us;  /* when the connect under way began */
    char accept[HTTP_ACCEPT_LEN];
    uint32_t n_tried, cap_tried;
    uint32_t *tried; /* slots, each tried and failed */
};

/* How and when wslb itself ends a connection (DESIGN "By us"). */
struct ending {
    uint64_t at_ms;       /* when to begin; 0: not asked for */
    uint64_t deadline_ms; /* at the latest a FIN */
    uint16_t code, reason;
};

struct conn {
    struct conn_row row;
    struct timer timer;
    uint64_t until_ms; /* what the state waits for at the most; the timer may stand earlier, never later */
    struct side side[2];
    struct handshake *hs;
    struct ending *ending;         /* NULL: nobody wants it to end */
    struct shm_backend_cell *cell; /* of its backend, while placed */
    struct conn *next, *prev;      /* of the worker's list */
    bool cut : 1;                  /* the stream to the client was cut at a frame's end: a Close may follow */
    bool cut_wanted : 1;           /* cut it at the next frame's end */
    bool broken : 1;               /* memory was refused for bytes that had to wait: the stream can't go on */
    bool counted : 1;              /* in the listener's and the seat's gauges */
    bool refused : 1;              /* refused at accept */
    bool frozen : 1;               /* on its way to another worker: nothing happens to it here */
    bool unmovable : 1;            /* the successor couldn't take it */
};

/* conn.c */
struct conn *conn_new(struct worker *w, uint16_t listener, int fd,
                      const struct address *peer); /* takes fd; NULL: no memory */
/* One that comes from another worker: its row, which has been checked, and its sockets (taken). It is frozen.
 * NULL: no memory. */
struct conn *conn_adopt(struct worker *w, const struct conn_row *row, int client_fd, int backend_fd);
/* Takes it off the list of the living, so that nobody finds it; conn_free follows at the end of the turn. */
void conn_bury(struct worker *w, struct conn *c);
void conn_free(struct worker *w, struct conn *c);
/* Decides why it ends; the first reason stands. */
void conn_reason(struct conn *c, enum close_reason reason);
void conn_until(struct conn *c, uint64_t ms); /* TIMER_NEVER: waits for events only */
void conn_handshake_free(struct worker *w, struct conn *c);
/* Asks for a Close of ours, beginning at at_ms, a FIN at the latest at deadline_ms; the first to ask stands
 * unless `at_ms` is sooner. false: no memory. */
bool conn_ask_end(struct conn *c, uint16_t code, enum close_reason reason, uint64_t at_ms,
                  uint64_t deadline_ms);
bool conn_is_open(const struct conn *c, enum conn_end end);

/* drive.c */
void conn_drive(struct worker *w, struct conn *c, unsigned events);
/* Into and out of the gauges of the seat and the listener. */
void conn_count(struct worker *w, struct conn *c);
void conn_uncount(struct worker *w, struct conn *c);
/* Another worker has it now: our copies of its sockets go, without a word on them, and it isn't counted as
 * ended. */
void conn_given(struct worker *w, struct conn *c);
void conn_kill(struct worker *w, struct conn *c, enum close_reason reason); /* CLOSED at once */

/* measure.c: how long it took to come to an edge, for the row and the pool's histograms; called before the
 * state is written. */
void measure_edge(struct worker *w, struct conn *c, enum conn_state next);
uint64_t measure_now_us(void);

/* The steps, one file a part of the life. */
enum conn_state step_head(struct worker *w, struct conn *c, unsigned events);
enum conn_state step_pick(struct worker *w, struct conn *c, unsigned events);
enum conn_state step_dial(struct worker *w, struct conn *c, unsigned events);
enum conn_state step_reply(struct worker *w, struct conn *c, unsigned events);
enum conn_state step_answer(struct worker *w, struct conn *c, unsigned events);
enum conn_state step_relay(struct worker *w, struct conn *c, unsigned events);
enum conn_state step_drain(struct worker *w, struct conn *c, unsigned events);
enum conn_state step_lost(struct worker *w, struct conn *c, unsigned events);
enum conn_state step_closing(struct worker *w, struct conn *c, unsigned events);
enum conn_state step_reset(struct worker *w, struct conn *c, unsigned events);
enum conn_state step_linger(struct worker *w, struct conn *c, unsigned events);

/* flow.c: bytes for one side. 0: taken (written, or waiting in `out`); IO_LOST: that side is lost for
 * writing, from now on all is thrown away. */
int flow_write(struct worker *w, struct conn *c, enum conn_end to, const void *bytes, size_t n);
int flow_flush(struct worker *w, struct conn *c, enum conn_end to);
/* Sends our FIN once nothing waits; fine to call again and again. */
void flow_finish(struct conn *c, enum conn_end to);
/* Takes a side away: its watcher, its socket, what waited for it; with a backend its place. */
void flow_drop(struct worker *w, struct conn *c, enum conn_end end, bool by_reset);

/* step_head.c, step_dial.c: the client before its tunnel stands. */
size_t handshake_room(const struct worker *w, const struct conn *c);
bool handshake_client_stays(struct worker *w, struct conn *c, unsigned events);
void conn_release_place(struct worker *w, struct conn *c);

/* refuse.c: queues a refusal of ours for the client and answers CONN_LINGER (CONN_CLOSED where the client
 * can't be told). */
enum conn_state conn_refuse(struct worker *w, struct conn *c, int status, const char *why,
                            enum close_reason reason);

#endif
