/* What a process has counted. It lies in shared memory: its process alone writes it, the parent reads it for
 * the progress line and adds all up at the end. */
#ifndef WSLB_BENCH_RESULTS_H
#define WSLB_BENCH_RESULTS_H

#include <stdint.h>

#include "histogram.h"

#define RESULTS_EXAMPLE_MAX 200

#define RESULT_ERRORS(X)                                                                                     \
    X(CONNECT, "connect", "connections that could not be made")                                              \
    X(HANDSHAKE, "handshake", "upgrades without a good answer")                                              \
    X(MISMATCH, "mismatch", "echoes that differ from what was sent")                                         \
    X(PROTOCOL, "protocol", "frames that break RFC 6455")                                                    \
    X(CLOSED, "closed", "closed by the other side")                                                          \
    X(LOST, "lost", "ended by the other side without a Close")                                               \
    X(MISSING, "missing", "messages whose echo didn't come in time")                                         \
    X(END, "end", "connections that did not end as they should at the end")

enum result_error {
#define X(name, word, text) RESULT_##name,
    RESULT_ERRORS(X)
#undef X
        RESULT_ERROR_COUNT
};

struct result_error_row {
    const char *word, *text;
};
extern const struct result_error_row result_error_rows[RESULT_ERROR_COUNT];

#define RESULT_COUNTS(X)                                                                                     \
    X(opened)       /* connections that got their 101 */                                                     \
    X(open)         /* of this moment */                                                                     \
    X(sent)         /* messages, whole */                                                                    \
    X(echoed)       /* messages, whole, every byte compared */                                               \
    X(bytes_sent)   /* payload */                                                                            \
    X(bytes_echoed) /* payload */                                                                            \
    X(received)     /* messages that nobody asked for (--idle) */                                            \
    X(pings)        /* answered */                                                                           \
    X(closed_clean) /* our Close 1000, theirs, FIN */                                                        \
    X(left_out)     /* messages whose connection was gone, handshakes that found none free */

struct results {
#define X(name) uint64_t name;
    RESULT_COUNTS(X)
#undef X
    uint64_t errors[RESULT_ERROR_COUNT];
    char examples[RESULT_ERROR_COUNT][RESULTS_EXAMPLE_MAX]; /* the first of each kind */
    uint64_t statuses[600];                                 /* answers to the upgrade other than 101 */
    uint64_t close_codes[5000];                             /* of unexpected Closes; 1005: none */
    struct histogram latency;                               /* of an echo, or of a handshake */
    struct histogram connect;                               /* connect and upgrade */
};

void results_error(struct results *r, enum result_error kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void results_merge(struct results *to, const struct results *from);
uint64_t results_errors(const struct results *r);

#endif
