/* Lines from somebody: with history from a terminal, or as they come from a pipe. Both return the exit
 * status. */
#ifndef WSLBCTL_SHELL_H
#define WSLBCTL_SHELL_H

#include "paint.h"
#include "session.h"

enum { EXIT_FINE = 0, EXIT_ANSWER = 1, EXIT_USAGE = 2, EXIT_CONNECTION = 3 };

int shell_interactive(struct session *s, struct paint *paint);
int shell_batch(struct session *s, struct paint *paint);

#endif
