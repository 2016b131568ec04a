/* A connection to the admin socket, kept open by `prompt`: a line goes out, and as many answers come in as it
 * has commands, each ended by an empty line. */
#ifndef WSLBCTL_SESSION_H
#define WSLBCTL_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "paint.h"

struct session {
    const char *path;
    FILE *in; /* NULL: not connected */
    char *line;
    size_t line_cap;
};

enum session_verdict {
    SESSION_FINE,
    SESSION_ERROR, /* an answer was an error */
    SESSION_ENDED, /* by a `quit` in the line */
    SESSION_LOST,  /* the connection couldn't be made or has ended too early; stderr says why */
};

void session_init(struct session *s, const char *path);
void session_fini(struct session *s);

/* Sends a line (without its newline), connecting before when there is no connection, and prints the answers.
 * A connection that has ended since the line before is made again. */
enum session_verdict session_ask(struct session *s, const char *line, struct paint *paint);

#endif
