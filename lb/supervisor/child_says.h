/* What children say to the supervisor, and what it answers. A child that says what isn't its to say is
 * killed: its memory can't be trusted any more. */
#ifndef SUPERVISOR_CHILD_SAYS_H
#define SUPERVISOR_CHILD_SAYS_H

#include "net/channel_io.h"

/* A channel_io_message; ctx is the struct child. */
void child_says(void *ctx, struct channel_io *channel, const struct msg *m, int *fds, unsigned n_fds);

#endif
