/* Names in commands: of what the configuration and the backend table hold. A name that nothing has makes the
 * command's answer an error with the nearest right spelling. */
#ifndef DIRECTOR_LOOKUP_H
#define DIRECTOR_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "director/command.h"

bool lookup_pool(struct command *c, const char *name, uint32_t *pool);
bool lookup_backend(struct command *c, const char *name, uint32_t *slot, uint64_t *id);
bool lookup_session(struct command *c, const char *text, uint64_t *id); /* up to 16 hexadecimal digits */

/* Whether a backend stands in the slot now. */
bool lookup_slot_used(const struct director *d, uint32_t slot);

#endif
