/* One line of the access log: a JSON object, valid whatever a client has put into its host and path. */
#ifndef DIRECTOR_ACCESS_LINE_H
#define DIRECTOR_ACCESS_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/conn_event.h"

/* No line is longer: names have at most 48 bytes, host and path 128 together, and each byte becomes six at
 * the most. It is PIPE_BUF, too, so that a pipe takes a line whole. */
#define ACCESS_LINE_MAX 4096

struct access_line {
    const struct conn_event *event; /* its numbers and lengths may be any */
    uint64_t real_ms;
    const char *listener, *pool, *backend; /* NULL: unknown */
};

/* Returns the length, newline included; there is no NUL. */
size_t access_line_format(const struct access_line *l, char out[ACCESS_LINE_MAX]);

#endif
