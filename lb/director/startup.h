/* What a director gets from the supervisor before it begins: who it is, the configuration, the shared tables
 * and the admin socket. Each function takes the descriptors it keeps out of `fds`. false: *why says what is
 * wrong with the message, and the start has failed. */
#ifndef DIRECTOR_STARTUP_H
#define DIRECTOR_STARTUP_H

#include <stdbool.h>

#include "proto/channel.h"

#define STARTUP_WHY_MAX 512u

struct director;

bool startup_hello(struct director *d, const struct msg *m, const int *fds, unsigned n_fds,
                   char why[STARTUP_WHY_MAX]);
bool startup_segments(struct director *d, const struct msg *m, const int *fds, unsigned n_fds,
                      char why[STARTUP_WHY_MAX]);
bool startup_sockets(struct director *d, const struct msg *m, int *fds, unsigned n_fds,
                     char why[STARTUP_WHY_MAX]);

/* Whether nothing is missing at START. */
bool startup_complete(const struct director *d, char why[STARTUP_WHY_MAX]);

#endif
