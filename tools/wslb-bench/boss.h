/* The parent: starts a process for each share of the load, leads them through the phases together, and adds
 * up what they have counted. */
#ifndef WSLB_BENCH_BOSS_H
#define WSLB_BENCH_BOSS_H

#include <stdbool.h>

#include "options.h"
#include "results.h"

struct boss_outcome {
    struct results total;
    double open_s; /* until all were open or had failed */
    double run_s;
    bool stopped; /* early, by INT or TERM */
};

/* 0: ran to its end, whatever errors were counted; else the exit status, and stderr says why. */
int boss_run(const struct options *o, struct boss_outcome *out);

#endif
