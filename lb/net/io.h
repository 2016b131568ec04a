/* A byte stream on a socket. Whoever reads and writes a connection does it here, since bytes on the socket
 * need not be bytes of the stream: a kind of stream is one row of operations (plain now, TLS records later)
 * and one number in the struct, which is plain data. */
#ifndef NET_IO_H
#define NET_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"

enum io_kind { IO_PLAIN, IO_KIND_COUNT };

/* Answers below zero. */
enum {
    IO_AGAIN = -1,
    IO_LOST = -2 /* RST, time-out of the kernel, any error: the stream is over both ways */
};

struct io {
    int fd; /* -1: none */
    uint8_t kind;
};

ssize_t io_read(struct io *io, void *buf, size_t n); /* > 0; 0: the peer's FIN; IO_AGAIN; IO_LOST */
ssize_t io_write(struct io *io, const void *buf,
                 size_t n); /* > 0, maybe fewer than n; IO_AGAIN; IO_LOST. No SIGPIPE */
/* Whether a read would give bytes though the socket shows none (they wait in the stream's own layer). */
bool io_pending(const struct io *io);
bool io_finish(struct io *io); /* our FIN; false: IO_LOST */
bool io_unsent(
    const struct io *io);     /* the kernel still holds bytes that the peer hasn't acknowledged (SIOCOUTQ) */
void io_close(struct io *io); /* fine when there is none */
void io_abort(struct io *io); /* RST, whatever the kernel still holds is thrown away */

/* Begins a connect; sets what a connection to a backend wants (no delay, keepalive, user timeout, in ms; Unix
 * sockets have none of these). 1: connected; 0: under way, writable tells (io_connected); -1: errno. */
int io_connect(struct io *io, const struct address *a, uint64_t keepalive_ms, uint64_t user_timeout_ms);
int io_connected(const struct io *io); /* 0, or the errno of a connect that has ended */
/* Whether a connection to `to` is one to ourselves: nobody listens there, and the kernel has chosen that very
 * port as our own. */
bool io_is_own(const struct io *io, const struct address *to);

/* Bounds of a TCP time-out in the kernel's units; used by listen and io alike. */
void io_tune(int fd, uint64_t keepalive_ms, uint64_t user_timeout_ms);

#endif
