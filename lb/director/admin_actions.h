/* Commands that change something: the supervisor or a worker is asked to do it, and its answer is passed on.
 */
#ifndef DIRECTOR_ADMIN_ACTIONS_H
#define DIRECTOR_ADMIN_ACTIONS_H

#include "director/command.h"

void admin_set_state(struct command *c);
void admin_set_weight(struct command *c);
void admin_set_max_connections(struct command *c);
void admin_close_session(struct command *c);
void admin_restart_worker(struct command *c);
void admin_stop(struct command *c);

#endif
