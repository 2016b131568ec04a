/* The channels with the workers. The supervisor hands one over for each worker that lives and a new one when
 * a seat gets a successor, or when this director is the successor. */
#ifndef DIRECTOR_PEERS_H
#define DIRECTOR_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "net/channel_io.h"

struct director;

struct peer {
    struct channel_io channel;
    struct director *director;
    uint32_t seat;
    uint64_t second_ms; /* since when lines are counted */
    uint32_t lines;     /* of its log in this second */
    uint64_t lines_dropped;
};

struct peers {
    struct peer *items; /* by seat */
    uint32_t n;
};

bool peers_init(struct peers *p, struct director *d, uint32_t n_seats); /* false: memory was refused */
void peers_fini(struct peers *p);

/* Takes the descriptor. */
void peers_set(struct peers *p, uint32_t seat, int fd);

/* Once in a while: tells of lines that were left out. */
void peers_tick(struct peers *p);

/* NULL: no such seat, or no channel with it now. */
struct channel_io *peers_channel(struct peers *p, uint32_t seat);

#endif
