/* The admin socket: a client sends one line, gets the answers and is closed; after `prompt` it stays.
 * Whatever comes in hurts nobody: a line, the number of clients, the memory of answers and every wait has a
 * bound. */
#ifndef DIRECTOR_ADMIN_SERVER_H
#define DIRECTOR_ADMIN_SERVER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "director/text.h"

#define ADMIN_CONNS_MAX 64u

struct director;
struct admin_conn;

struct admin {
    struct director *d;
    ev_io accept;
    ev_timer resume; /* accepting, which has paused */
    struct admin_conn *first;
    uint32_t n;
    struct text_budget budget;
};

/* Takes the listening socket; nobody is accepted before admin_start. */
void admin_init(struct admin *s, struct director *d, int fd);
void admin_start(struct admin *s);
void admin_fini(struct admin *s); /* fine when it is zeroed */

/* One has gone: there is room. */
void admin_room(struct admin *s);

#endif
