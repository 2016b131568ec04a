/* What a worker is made of; included by the files of this room only. */
#ifndef WORKER_WORKER_INT_H
#define WORKER_WORKER_INT_H

#include <ev.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/sandbox.h"
#include "base/timer_wheel.h"
#include "config/config.h"
#include "net/channel_io.h"
#include "proto/move.h"
#include "shm/table.h"
#include "worker/candidates.h"
#include "worker/conn.h"
#include "worker/session_id.h"
#include "worker/slab.h"

#define WORKER_SCRATCH_BYTES 65536u
/* Descriptors kept back from connections: channels, the loop, refusals in flight. */
#define WORKER_FDS_RESERVED 32u
#define WORKER_REFUSALS_MAX 16u
#define WORKER_TRIM_BEATS   2u
#define WORKER_QUERIES_MAX  8u
/* Batches that a taker lets come at a time. */
#define WORKER_TAKE_CREDIT 4u

/* One socket that listens. */
struct acceptor {
    ev_io watcher;
    struct worker *worker;
    int fd;
    uint16_t listener;
    bool waited; /* somebody was in its queue at the last look of a worker that doesn't poll */
};

/* A `show sessions` under way: rows go out as credit allows. */
struct query {
    struct msg_sessions ask;
    uint64_t serial;
    struct conn *at; /* the next to look at */
    uint32_t credit, sent;
    bool active;
};

/* This worker's connections on their way to a successor (give.c). */
struct batch {
    uint64_t serial;
    uint32_t n;                         /* 0: free */
    struct conn *conns[MOVE_BATCH_MAX]; /* NULL: it has ended meanwhile */
};
struct giver {
    struct channel_io channel;
    struct batch batches[MOVE_UNDER_WAY];
    uint64_t serial;
    uint32_t credit;
    struct conn *at; /* the next to look at */
    bool again;      /* some have come to relay since */
    bool *told;      /* whether the taker knows a backend's slot; then pools and listeners */
    uint64_t given;
};

/* A predecessor's connections on their way here (take.c). */
struct taker {
    struct channel_io channel;
    int pidfd; /* of the giver */
    int listeners[CONFIG_LISTENERS_MAX],
        pools[CONFIG_POOLS_MAX]; /* its index to ours; -1: we have none such */
    uint64_t *backends;          /* its slot to its id and ours, two words each */
    uint32_t n_backends;
    uint64_t taken;
};

struct worker {
    struct ev_loop *loop;
    ev_prepare prepare;
    ev_check check;
    ev_timer wheel_timer, beat, accept_timer;
    ev_signal term;
    uint64_t now_ms; /* CLOCK_MONOTONIC, once a turn */
    uint64_t wheel_at_ms;
    struct timer_wheel wheel;
    struct rng rng;
    struct session_ids ids;

    struct channel_io supervisor, director;
    uint32_t seat_no, stamp;
    struct sandbox sandbox;
    struct config *config;
    struct shm shm;
    struct shm_seat *seat;
    struct candidates candidates;

    struct acceptor *acceptors;
    uint32_t n_acceptors;
    bool polling;       /* the acceptors' watchers run */
    int reserve_fd;     /* given up for a moment to refuse somebody when descriptors are out */
    uint32_t conns_max; /* what the descriptors carry */

    struct slab slab;   /* of struct conn */
    struct conn *conns; /* all, newest last */
    struct conn *conns_last;
    struct conn *dead;           /* freed at the end of the turn */
    uint32_t n_conns, n_refused; /* of them: refused at accept, without a head read */
    struct query queries[WORKER_QUERIES_MAX];

    struct giver *giver; /* NULL: nobody succeeds this worker */
    struct taker *taker; /* NULL: it succeeds nobody */
    bool rebuild;        /* sockets were given away: the loop's epoll set must be made anew */

    bool started, orphan, leaving;
    uint64_t leave_by_ms;
    uint64_t heap_at_ms;
    uint8_t trim_in; /* beats until free memory is given back; 0: there is none worth it */

    uint8_t scratch[WORKER_SCRATCH_BYTES];
};

static inline const struct config_listener *conn_listener(const struct worker *w, const struct conn *c)
{
    return &w->config->listeners[c->row.listener];
}
static inline const struct config_pool *conn_pool(const struct worker *w, const struct conn *c)
{
    return &w->config->pools[c->row.pool];
}
/* What may be read at once of what goes on to the other side: if that takes nothing, all of it waits. */
static inline size_t conn_read_max(const struct worker *w, const struct conn *c)
{
    size_t max = conn_listener(w, c)->buffer_max_bytes;
    return max < sizeof w->scratch ? max : sizeof w->scratch;
}

/* accept.c */
/* How often a worker that doesn't poll looks whether it should, or whether somebody has been left waiting. */
#define ACCEPT_REVIEW_S 0.020
bool accept_start(struct worker *w);  /* watchers for all acceptors; false: no descriptor in reserve */
void accept_rest(struct worker *w);   /* takes all that is queued now (the supervisor has died) */
void accept_close(struct worker *w);  /* closes what listens */
void accept_review(struct worker *w); /* a connection has gone: maybe there is room again */
void accept_timer_cb(struct ev_loop *loop, ev_timer *t, int revents);

/* leave.c */
void leave_begin(struct worker *w, uint64_t deadline_ms);         /* tells all, leaves after the last */
void leave_ask(struct worker *w, struct conn *c, uint64_t at_ms); /* of one that opened meanwhile */
void leave_check(struct worker *w);                               /* ends the loop when nothing is left */

/* give.c, take.c: proto/move.h tells the protocol */
void give_begin(struct worker *w, int fd); /* takes fd */
void give_more(struct worker *w);          /* once a turn */
void give_forget(struct worker *w, const struct conn *c);
void take_begin(struct worker *w, int fd, uint32_t pid); /* takes fd */

/* queries.c */
void query_message(struct worker *w, const struct msg *m);
void query_forget(struct worker *w, const struct conn *c); /* c is about to be freed */
void query_drop_all(struct worker *w);                     /* the director who asked has gone */

#endif
