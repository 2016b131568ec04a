/* The shared backend table's one writer. */
#ifndef SUPERVISOR_BACKENDS_H
#define SUPERVISOR_BACKENDS_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "proto/channel.h"
#include "shm/table.h"
#include "supervisor/resolve.h"

/* Every backend of the config into the empty table, in the config's order. false: it is full. */
bool backends_fill(const struct shm *shm, const struct config *c, const struct resolved *r);

/* Changes the word that the director asks for, after a look at all of the question. false: `err` says why not
 * and nothing has changed; true: `err` says what has changed, for the log. */
bool backends_set(const struct shm *shm, const struct msg_set_backend *q, char *err, size_t err_len);

#endif
