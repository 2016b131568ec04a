/* One matter asked of several processes at once: it hears each answer and then that all have answered, ended
 * or been silent for too long, whom it remembers. Embedded in what the matter is about, which lives until
 * `finished` is called. */
#ifndef DIRECTOR_INQUIRY_H
#define DIRECTOR_INQUIRY_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "director/ask.h"
#include "shm/table.h"

struct inquiry;

struct inquiry_ops {
    void (*rows)(struct inquiry *q, uint32_t seat, const struct msg *m); /* NULL where none can come */
    void (*done)(struct inquiry *q, bool ok, const char *text, size_t len);
    void (*finished)(struct inquiry *q); /* the last call; may free it */
};

struct inquiry {
    struct director *d;
    const struct inquiry_ops *ops;
    ev_timer timer;
    uint64_t patience_ms;
    uint32_t waiting; /* answers, and one while it is being asked */
    uint32_t n_missing;
    uint64_t missing[SHM_SEATS_MAX / 64]; /* seats that gave no answer */
};

/* patience_ms: how long one may be silent. */
void inquiry_init(struct inquiry *q, struct director *d, const struct inquiry_ops *ops, uint64_t patience_ms);

/* Asks ASK_SUPERVISOR or a seat; who can't be asked is missing. */
void inquiry_ask(struct inquiry *q, uint32_t target, enum msg_type type, const void *body, size_t n);

/* Asks every worker that may hold connections. */
void inquiry_ask_workers(struct inquiry *q, enum msg_type type, const void *body, size_t n);

/* All have been asked: from now on, at once even, it may finish. */
void inquiry_asked(struct inquiry *q);

bool inquiry_misses(const struct inquiry *q, uint32_t seat);

#endif
