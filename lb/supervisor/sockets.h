/* Every socket that listens: one for each bind address, shared by all workers, and the admin socket. The
 * supervisor opens them, passes them on and never accepts. */
#ifndef SUPERVISOR_SOCKETS_H
#define SUPERVISOR_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "supervisor/resolve.h"

struct sockets {
    const struct resolved *resolved;
    const char *admin_path;
    int *listeners; /* of resolved->binds, in their order; below 0: not open */
    int admin;      /* below 0: not open */
};

/* Opens all. What is in use is tried again for up to a second, since the children of a killed supervisor need
 * a moment to close theirs. false: at least one couldn't be opened, and each is in the log; what was opened
 * is the caller's to close. Both arguments outlive *s. */
bool sockets_open(struct sockets *s, const struct config *c, const struct resolved *r);

/* Closes the listeners' and removes their Unix paths; a queue lives on while a worker holds its socket. */
void sockets_close_listeners(struct sockets *s);
/* Closes the rest and removes the admin socket's path; fine when nothing is open. */
void sockets_fini(struct sockets *s);
void sockets_set_empty(struct sockets *s); /* nothing is open: for a sockets_fini without an open */

#endif
