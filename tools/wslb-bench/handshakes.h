/* --handshakes: clients are slots that open and close one WebSocket after the other. */
#ifndef WSLB_BENCH_HANDSHAKES_H
#define WSLB_BENCH_HANDSHAKES_H

#include <stdbool.h>

#include "load.h"

bool handshakes_init(struct load *l); /* false: out of memory */
void handshakes_fini(struct load *l);
/* Begins what is due. */
void handshakes_issue(struct load *l);
/* At the end: counts those that were due and found no free client. */
void handshakes_leave_out(struct load *l);
void handshakes_settled(struct client *c, bool open);
void handshakes_gone(struct client *c);

#endif
