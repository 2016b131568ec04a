/* `show sessions` and `show session`: workers are asked for rows, which come by credit. One such query runs
 * at a time, the others wait in a line, since a worker answers few at once; a worker that stays silent is
 * left out. */
#ifndef DIRECTOR_SESSIONS_H
#define DIRECTOR_SESSIONS_H

#include "director/command.h"

struct session_query;

struct session_queries {
    struct session_query *first, **tail; /* the first one runs */
};

void sessions_init(struct session_queries *s);

void sessions_show(struct command *c);
void sessions_show_one(struct command *c);

#endif
