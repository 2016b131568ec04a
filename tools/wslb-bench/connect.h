/* A connect that can choose its source address, which net's own can't. */
#ifndef WSLB_BENCH_CONNECT_H
#define WSLB_BENCH_CONNECT_H

#include <stddef.h>

#include "net/io.h"
#include "target.h"

/* Begins a connect from source number `turn` (of those given, in turn). 0: under way, writable tells; else
 * the errno. */
int connect_begin(struct io *io, const struct target *t, uint64_t turn);

/* What to say of an errno, with advice where there is any. */
const char *connect_explain(int error, char *text, size_t cap);

#endif
