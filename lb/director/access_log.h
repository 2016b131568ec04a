/* The access log: events of the workers become lines of JSON and go where access_log says. Workers are read
 * with suspicion: no index or length in an event is trusted. */
#ifndef DIRECTOR_ACCESS_LOG_H
#define DIRECTOR_ACCESS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "net/line_out.h"
#include "net/log_out.h"
#include "proto/channel.h"

struct director;

struct access_log {
    struct director *d;
    struct line_out out;
    struct log_lost lost;
};

/* To nowhere, at first. */
void access_log_init(struct access_log *a, struct director *d);
void access_log_to(struct access_log *a, int fd); /* takes fd */

/* Writes the events of an ACCESS message. false: they aren't as long as it says. */
bool access_log_take(struct access_log *a, const struct msg *m);

/* Once in a while: tells the log of lines that were dropped. */
void access_log_tick(struct access_log *a);
void access_log_fini(struct access_log *a, unsigned patience_ms);

#endif
