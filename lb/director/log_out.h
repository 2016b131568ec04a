/* The end of every log line's way: stderr. Who reads it may have stopped; then lines are dropped, counted and
 * told of when it reads again, and the director never waits for it. */
#ifndef DIRECTOR_LOG_OUT_H
#define DIRECTOR_LOG_OUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

struct log_out {
    uint64_t dropped;
};

/* The director's own lines from now on. */
void log_out_init(struct log_out *o);
/* A line of another process, which begins with its name. */
void log_out_other(struct log_out *o, enum log_level level, const char *line, size_t len);

#endif
