/* The shared segments and the text of the config in force, as descriptors for the children, and the
 * supervisor's own view of them. A segment has two descriptors, since who may only read gets one that can't
 * be mapped for writing: that no byte has two writers is then the kernel's business. */
#ifndef SUPERVISOR_SEGMENTS_H
#define SUPERVISOR_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "shm/table.h"

struct segment {
    int write_fd, read_fd; /* -1: none */
};

struct segments {
    struct shm shm; /* everything but the director's is mapped writable: the supervisor is a seat's heir */
    struct segment supervisor, director, seats[SHM_SEATS_MAX];
    int config_fd; /* the effective config, sealed */
};

/* Seats for the workers and for their successors. false: `err` says what was refused; segments_fini is due
 * either way. */
bool segments_init(struct segments *s, const struct config *c, uint32_t workers, char *err, size_t err_len);
void segments_fini(struct segments *s);
void segments_set_empty(struct segments *s); /* nothing is open: for a segments_fini without an init */

/* A descriptor of the config's text with a file position of its own; -1: errno. */
int segments_open_config(const struct segments *s);

#endif
