/* Questions to other processes that wait for their answers. Each has a serial; an answer finds its question
 * by it, and a question whose channel has ended is told so. Who asked may lose interest: then the answer is
 * still taken and thrown away, credit included, so that a worker's query always runs to its end.
 *
 * A process that is stopped must not have questions heaped on it (its channel would break by the bound of its
 * queue): who has been silent for ASK_SILENT_MS on any question, or has ASK_OPEN_MAX of them unanswered,
 * isn't asked another before it has spoken. */
#ifndef DIRECTOR_ASK_H
#define DIRECTOR_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/channel.h"

#define ASK_SUPERVISOR UINT32_MAX /* as a target; all else is a worker's seat */
#define ASK_SILENT_MS  2000u
#define ASK_OPEN_MAX   64u
#define ASK_CREDIT     4u /* ROWS messages under way to us */

struct director;
struct ask;

/* m: ROWS or DONE; NULL: the channel has ended. After DONE and NULL the ask is gone. */
typedef void (*ask_fn)(void *ctx, struct ask *a, const struct msg *m);

struct ask {
    struct ask *next;
    ask_fn fn; /* NULL: nobody waits any more */
    void *ctx;
    uint64_t serial;
    uint64_t heard_ms; /* sent, or last answered in part; CLOCK_MONOTONIC */
    uint32_t target;
};

struct asks {
    struct ask *first;
    uint64_t last_serial;
};

/* NULL: it can't be asked now (no channel, silent, busy, or memory was refused). fn is never called from
 * inside. */
struct ask *ask_send(struct director *d, uint32_t target, enum msg_type type, const void *body, size_t n,
                     ask_fn fn, void *ctx);
void ask_abandon(struct ask *a);
bool ask_is_silent(const struct ask *a);

/* An answer has come from `target`. false: it is none that this process may send. */
bool ask_answer(struct director *d, uint32_t target, const struct msg *m);
/* The channel with `target` has ended. */
void ask_lost(struct director *d, uint32_t target);
/* All channels have ended. */
void asks_fini(struct director *d);

#endif
