/* The end: shutdown_delay, in which accepting goes on; then nothing listens and the workers tell their
 * connections, until shutdown_timeout; then the director leaves. A second call stops at once. */
#ifndef SUPERVISOR_STOPPING_H
#define SUPERVISOR_STOPPING_H

#include "supervisor/state.h"

void stopping_init(struct supervisor *s);
void stopping_fini(struct supervisor *s);

/* `why` begins the log line: "SIGTERM", "an operator's stop". */
void stopping_begin(struct supervisor *s, const char *why);
/* A child has gone while s->phase isn't STOP_NONE. */
void stopping_child_gone(struct supervisor *s);

#endif
