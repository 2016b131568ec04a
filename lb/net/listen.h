/* Sockets that listen. The supervisor opens each bind address once and passes the socket on; all workers
 * accept from the same queue. What an accepted socket inherits from it on Linux (TCP_NODELAY, keepalive,
 * TCP_USER_TIMEOUT) is set here, so that accepting costs one call. */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

struct listen_options {
    int backlog;
    uint64_t keepalive_ms;    /* TCP's own; both are rounded up to seconds where the kernel counts seconds */
    uint64_t user_timeout_ms; /* max(keepalive, stall_timeout): TCP_USER_TIMEOUT also kills a peer with a zero
                                 window */
};

/* A non-blocking, close-on-exec listening socket, or -1 with `err` (why, without the address; errno is kept:
 * EADDRINUSE, EACCES …). Any IPv6 address ([::], "*") listens for IPv4 too, and for IPv4 only where the
 * kernel has no IPv6. A Unix socket's stale path (nobody accepts there) is removed; a live one is EADDRINUSE.
 */
int listen_open(const struct address *a, const struct listen_options *o, char *err, size_t err_len);

/* A Unix stream socket for the admin commands: as above, then mode and group (gid -1: unchanged). */
int listen_open_unix(const char *path, uint32_t mode, int64_t gid, char *err, size_t err_len);

#endif
