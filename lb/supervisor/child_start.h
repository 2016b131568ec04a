/* What a child is told at its start: HELLO, SEGMENTS, SOCKETS, START; and the channels between the director
 * and the workers, of which the supervisor makes a new one whenever an end has been replaced. */
#ifndef SUPERVISOR_CHILD_START_H
#define SUPERVISOR_CHILD_START_H

#include <stdbool.h>

#include "supervisor/state.h"

/* false: a descriptor or message was refused; errno may say why. */
bool child_start_tell(struct child *c);

/* A channel between these two, in place of the one before; both have to be alive. Who can't be told has a
 * broken channel and is killed for that. false: no channel could be made: errno. */
bool child_start_pair(struct child *director, struct child *worker);

/* A channel on which the one gives its connections to the other. false: errno. */
bool child_start_succession(struct child *giver, struct child *taker);

#endif
