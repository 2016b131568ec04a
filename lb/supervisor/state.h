/* What the supervisor holds, for its own files. */
#ifndef SUPERVISOR_STATE_H
#define SUPERVISOR_STATE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/config.h"
#include "net/channel_io.h"
#include "supervisor/lock.h"
#include "supervisor/resolve.h"
#include "supervisor/restart.h"
#include "supervisor/segments.h"
#include "supervisor/sockets.h"

enum child_state {
    CHILD_ABSENT,   /* no process */
    CHILD_STARTING, /* started, not READY yet */
    CHILD_READY,
    CHILD_ENDING /* its channel has ended or it was killed; not reaped yet */
};

struct child {
    struct supervisor *s;
    enum msg_role role;
    uint32_t number; /* of a worker */
    uint32_t seat;   /* of a worker: its segment; a successor has another than its predecessor */
    char *name;      /* "worker 2"; owned */
    bool successor;  /* takes over from the worker of its number when READY */
    bool leaving;    /* has a successor: gives its connections away, and isn't started again */
    enum child_state state;
    pid_t pid;         /* 0: none */
    bool has_been;     /* started at least once */
    bool has_channel;  /* until its end has been read, and with it all that the child said */
    bool reaped;       /* has been waited for */
    int status;        /* of waitpid, when reaped */
    uint64_t ready_ms; /* when it said READY; 0: it hasn't */
    struct restart restart;
    struct channel_io channel;
    ev_child reaper;
    ev_timer timer; /* ABSENT: the next start; STARTING: the latest READY; ENDING: the kill */
};

enum stop_phase {
    STOP_NONE,
    STOP_DELAY,    /* shutdown_delay: accepting goes on */
    STOP_WORKERS,  /* nothing listens; workers tell their connections and leave */
    STOP_DIRECTOR, /* no worker is left; the director leaves */
    STOP_NOW,      /* a second signal: all leave */
    STOP_DONE
};

struct supervisor {
    const char *config_path;
    struct config *config;
    struct resolved resolved;
    struct lock lock;
    struct sockets sockets;
    struct segments segments;
    struct ev_loop *loop;
    uint32_t workers;
    struct child **children; /* the director, the workers by number, then what is beside each of them */
    uint32_t n_children;     /* 2 * workers + 1 */
    uint32_t stamp;          /* of the next child */
    bool was_ready;          /* all have been READY at one time */
    enum stop_phase phase;
    ev_timer stop_timer;
};

#endif
