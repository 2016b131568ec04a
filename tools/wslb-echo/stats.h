/* What has been counted; one row makes the field, its name in JSON and its words for people. */
#ifndef WSLB_ECHO_STATS_H
#define WSLB_ECHO_STATS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define STATS(X)                                                                                             \
    X(accepted, "TCP connections")                                                                           \
    X(connections, "WebSockets")                                                                             \
    X(open, "still open")                                                                                    \
    X(plain, "plain requests")                                                                               \
    X(refused, "refused as malformed")                                                                       \
    X(failed, "made to fail")                                                                                \
    X(messages, "messages echoed")                                                                           \
    X(bytes, "payload bytes echoed")                                                                         \
    X(pings, "pings answered")                                                                               \
    X(pushed, "messages pushed")                                                                             \
    X(push_skipped, "pushes left out (client didn't read)")                                                  \
    X(closed, "ended by a Close")                                                                            \
    X(lost, "ended without a Close")

struct stats {
#define X(name, text) uint64_t name;
    STATS(X)
#undef X
};

/* One line; false when it couldn't be written. */
bool stats_print(const struct stats *s, const char *name, bool json, FILE *to);

#endif
