/* The results, for people and as one JSON document. */
#ifndef WSLB_BENCH_REPORT_H
#define WSLB_BENCH_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "boss.h"
#include "options.h"

/* false: it couldn't be written. */
bool report_text(const struct options *o, const struct boss_outcome *r, FILE *to);
bool report_json(const struct options *o, const struct boss_outcome *r, FILE *to);

#endif
