/* What the director knows by itself, from the shared tables and the configuration. */
#ifndef DIRECTOR_SHOW_H
#define DIRECTOR_SHOW_H

#include "director/command.h"

void show_info(struct command *c);
void show_config(struct command *c);
void show_workers(struct command *c);
void show_listeners(struct command *c);
void show_pools(struct command *c);
void show_backends(struct command *c);
void show_backend(struct command *c);

#endif
