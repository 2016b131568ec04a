/* One process's share of the load: its connections on one epoll set, driven through the phases that the
 * parent commands by a byte on a pipe. */
#ifndef WSLB_BENCH_LOAD_H
#define WSLB_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/timer_wheel.h"
#include "client.h"
#include "options.h"
#include "results.h"

#define LOAD_SCRATCH_BYTES 65536u

/* From the parent; the end of the pipe means that it has died. */
#define LOAD_GO    'g' /* begin at shared->start_ns */
#define LOAD_STOP  's' /* end early */
#define LOAD_CLOSE 'c'
/* To the parent. */
#define LOAD_OPENED  'o'
#define LOAD_DRAINED 'd'

/* In shared memory, behind it the results of each process. */
struct shared {
    uint64_t start_ns; /* CLOCK_MONOTONIC; written by the parent before LOAD_GO */
    struct results results[];
};

enum load_phase {
    LOAD_OPENING,
    LOAD_OPEN, /* waits for LOAD_GO */
    LOAD_RUNNING,
    LOAD_DRAINING, /* nothing new; the last echoes */
    LOAD_DONE,     /* waits for LOAD_CLOSE */
    LOAD_CLOSING,
    LOAD_OVER
};

struct load {
    const struct options *o;
    const struct shared *shared;
    struct results *results;
    unsigned process;
    int command_fd, report_fd, epoll_fd;
    enum load_phase phase;
    struct timer_wheel wheel;
    uint64_t now_ns;
    uint64_t start_ns, end_ns, measure_ns, drain_ns;
    struct client *clients;
    uint32_t n_clients, live;
    uint32_t begun, in_flight; /* connects so far, and those that haven't settled */
    double connect_interval_ns;
    uint64_t connect_from_ns;
    double interval_ns; /* between two messages or handshakes of this process; 0: closed loop */
    double shift_ns;    /* so that the processes don't send in step */
    uint64_t issued;    /* messages or handshakes that were due so far */
    uint64_t outstanding;
    uint32_t closing_next;
    uint32_t *free_clients, n_free; /* handshakes */
    uint64_t *job_ns;               /* when the handshake of a client was due */
    uint8_t in[LOAD_SCRATCH_BYTES], out[LOAD_SCRATCH_BYTES];
};

/* Runs a child to its end; its exit status. */
int load_run(const struct options *o, struct shared *shared, unsigned process, int command_fd, int report_fd);

/* What clients tell. */
void load_settled(struct client *c, bool open);
void load_echoed(struct client *c); /* message got - 1 is back */
void load_left(struct client *c);   /* it isn't open any more; `due` and `got` still stand */
void load_gone(struct client *c);   /* its place is free */

/* When message or handshake n of this process is due. */
uint64_t load_due_ns(const struct load *l, uint64_t n);

#endif
