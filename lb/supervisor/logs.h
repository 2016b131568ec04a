/* The files that lines go to. The supervisor opens them with its own rights and passes them to the director,
 * which writes for all; its own lines it writes itself, to the same log_target. On USR1 files are opened
 * anew, so that what was renamed meanwhile (by logrotate) stays as it is. */
#ifndef SUPERVISOR_LOGS_H
#define SUPERVISOR_LOGS_H

#include <ev.h>
#include <stdbool.h>

#include "config/config.h"
#include "net/log_out.h"
#include "proto/channel.h"
#include "shm/table.h"

struct logs {
    const struct config_global *global;
    int fd[FILE_KINDS]; /* -1: nobody writes to such a file */
    struct log_out out;
    struct shm_supervisor *table; /* where lost lines are counted */
    bool begun;
};

void logs_set_empty(struct logs *l); /* nothing is open: for a logs_fini without an open */
/* Opens all. false: at least one couldn't be, and each is in the log. *g outlives *l. */
bool logs_open(struct logs *l, const struct config_global *g);
/* This process's lines go to log_target from now on; until then they go to stderr, where who starts it
 * looks. */
bool logs_begin(struct logs *l, struct ev_loop *loop, struct shm_supervisor *table); /* false: logged */
/* What can't be opened anew is kept as it is; both are in the log. */
void logs_reopen(struct logs *l);
void logs_fini(struct logs *l);

#endif
