/* The table of children: the director, the workers by number, and beside each worker a place for its
 * successor, which while it starts, or its predecessor, which gives its connections away, stands in. A child
 * is alive from its fork until it is reaped and its channel has ended; then it is started again, after a
 * pause, unless the program is stopping.
 */
#ifndef SUPERVISOR_CHILDREN_H
#define SUPERVISOR_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>

#include "supervisor/state.h"

/* Makes the table for s->workers; false: memory was refused. */
bool children_init(struct supervisor *s);
/* Starts all, from the loop. */
void children_start(struct supervisor *s);
/* Kills what is left without waiting, and frees the table. */
void children_fini(struct supervisor *s);

static inline struct child *children_director(struct supervisor *s)
{
    return s->children[0];
}
static inline struct child *children_worker(struct supervisor *s, uint32_t number)
{
    return s->children[number + 1];
}
/* Starts a successor for a worker, which then moves its connections there and leaves. false: why not, in
 * `err`. */
bool children_replace(struct supervisor *s, uint32_t number, char *err, size_t err_len);
bool children_any_worker(const struct supervisor *s); /* is alive */
bool children_any(const struct supervisor *s);

/* The child has said READY. */
void children_ready(struct child *c);
/* SIGKILL; it is reaped later. Fine when there is none. */
void children_kill(struct child *c);
/* The same, logged as "NAME (pid N) WHY: it is killed". */
void children_kill_for(struct child *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* No absent child is started again. */
void children_stop_restarts(struct supervisor *s);

#endif
