/* One command under way: its arguments, its answer, and whoever waits for it. A command that asks other
 * processes puts what it does into `op` and returns; command_done ends it later. Its client may leave before:
 * then `cancel` is called and the command is gone, while what goes on behind it ends by itself. */
#ifndef DIRECTOR_COMMAND_H
#define DIRECTOR_COMMAND_H

#include <stdbool.h>

#include "director/admin_pattern.h"
#include "director/answer.h"

struct director;

struct command {
    struct director *d;
    const char *arg[ADMIN_ARGS_MAX]; /* as the pattern numbers them; NULL: not given */
    struct answer answer;
    void *op; /* NULL: nothing goes on, the answer is made */
    void (*cancel)(struct command *c);
    void (*done)(struct command *c); /* by its server */
    bool running;                    /* inside its own function: no call of `done` */
    bool prompt, quit;               /* what it wants of its connection */
};

static inline void command_done(struct command *c)
{
    c->op = NULL;
    if (!c->running)
        c->done(c);
}

#endif
