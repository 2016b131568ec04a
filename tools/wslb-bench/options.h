/* The command line of wslb-bench. */
#ifndef WSLB_BENCH_OPTIONS_H
#define WSLB_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "target.h"

#define OPTIONS_DESCRIPTORS_MAX 20000u /* of one process; what a hard limit usually allows */
#define OPTIONS_PROCESSES_MAX   256u

enum mode { MODE_ECHO, MODE_IDLE, MODE_HANDSHAKES };

struct options {
    enum mode mode;
    bool closed; /* echo: the next message follows the echo; handshakes: as many as go */
    bool hold;   /* until standard input ends or TERM, instead of duration_ms */
    bool json;
    unsigned processes;
    uint32_t connections;
    uint64_t size_bytes;
    uint64_t duration_ms, warmup_ms, timeout_ms;
    double rate_per_s; /* messages or handshakes, of all processes together */
    double connect_rate_per_s;
    const char *target_text;
    struct target target;
};

const char *options_mode_name(enum mode mode);

/* 0: go on; else exit with *status: help and version are printed to stdout, faults to stderr. */
int options_parse(struct options *o, int argc, char **argv, int *status);

#endif
