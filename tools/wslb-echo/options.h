/* The command line of wslb-echo. */
#ifndef WSLB_ECHO_OPTIONS_H
#define WSLB_ECHO_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "fail.h"

#define OPTIONS_LISTEN_MAX 16
#define OPTIONS_NAME_MAX   64
#define OPTIONS_GREET_MAX  125

struct options {
    struct address listen[OPTIONS_LISTEN_MAX];
    unsigned n_listen;
    const char *name;  /* in X-Backend and in plain answers: letters, digits and -_.:/ */
    const char *greet; /* NULL: no first message */
    bool push;
    uint64_t push_ms; /* 0: as fast as the client takes them */
    uint64_t push_size_bytes;
    enum fail_mode fail;
    int64_t fail_after; /* messages echoed before it strikes; -1: before the answer */
    uint32_t fail_permille;
    int status;
    uint16_t close_code;
    uint64_t delay_ms;
    bool json;
};

/* 0: go on; else exit with *status: help and version are printed to stdout, faults to stderr. */
int options_parse(struct options *o, int argc, char **argv, int *status);

#endif
