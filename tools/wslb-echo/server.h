/* The process: one epoll set, one timer wheel, the sockets that listen and all connections. */
#ifndef WSLB_ECHO_SERVER_H
#define WSLB_ECHO_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/timer_wheel.h"
#include "echo.h"
#include "options.h"
#include "stats.h"

#define SERVER_READ_BYTES    65536u
#define SERVER_PATTERN_CYCLE 26u

/* What an epoll event points to; the first member of whatever it is. */
enum source_kind { SOURCE_LISTENER, SOURCE_CONN, SOURCE_SIGNAL };
struct source {
    enum source_kind kind;
};

struct listener {
    struct source source;
    int fd;
};

struct conn;
struct server {
    const struct options *o;
    struct stats stats;
    int epoll_fd, signal_fd;
    struct source signal;
    uint64_t now_ms;
    struct timer_wheel wheel;
    struct timer accept_again; /* set while out of descriptors or memory */
    struct timer stop_deadline;
    struct listener listeners[OPTIONS_LISTEN_MAX];
    unsigned n_listeners;
    bool accepting, stopping, over;
    struct fail_share share;
    struct conn *conns; /* all live ones */
    struct conn *dead;  /* freed at the end of the turn: events of this turn may still point to them */
    /* Where bytes are read to and transformed; nothing stays in it between two events. */
    uint8_t scratch[ECHO_ROOM + SERVER_READ_BYTES + 256];
    uint8_t pattern[SERVER_READ_BYTES + SERVER_PATTERN_CYCLE]; /* payload of pushed messages */
};

/* false: it says why on stderr. */
bool server_start(struct server *s, const struct options *o);
/* Runs until it is told to stop and all have gone. false: epoll failed. */
bool server_run(struct server *s);
void server_fini(struct server *s);

#endif
