/* THE table of admin commands: what is in it can be said, is in `help` and in the manual; what isn't is
 * unknown. A `show` whose name is a plural answers a list, the others one object. */
#ifndef DIRECTOR_ADMIN_COMMANDS_H
#define DIRECTOR_ADMIN_COMMANDS_H

#include "director/command.h"

struct admin_command {
    const char *pattern; /* see admin_pattern.h */
    const char *help;
    void (*run)(struct command *c);
};

extern const struct admin_command admin_commands[];
extern const unsigned admin_commands_n;

/* Finds the command of `words` (n > 0) and runs it: afterwards c->op is NULL and the answer made, or it goes
 * on. The words live as long as the command. `json` as the first word is taken here. */
void admin_commands_run(struct command *c, struct text_budget *budget, char *const *words, unsigned n);

#endif
