/* The heart of the echo: a client's masked frames in, the server's frames out, in the same pieces and without
 * ever holding a message. A ping becomes its pong, a pong nothing, a Close is left to the caller. */
#ifndef WSLB_ECHO_ECHO_H
#define WSLB_ECHO_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/ws_endpoint.h"
#include "stats.h"

/* What comes out may be written over what went in, if it stands so many bytes before it: a header may have
 * come in earlier calls but goes out whole. */
#define ECHO_ROOM 16

struct echo {
    struct ws_endpoint in;
    uint64_t messages; /* echoed whole */
    bool mid_frame;    /* a frame has begun to go out and isn't finished */
    bool silent;       /* only look for the client's Close */
    bool corrupt;
};

enum echo_verdict {
    ECHO_MORE,  /* all was taken */
    ECHO_LIMIT, /* `limit` messages have been echoed */
    ECHO_CLOSE, /* a Close ended: in.frame.close_code */
    ECHO_BAD    /* *why says what is wrong */
};

void echo_init(struct echo *e);

/* Takes n bytes, or *taken of them when the verdict isn't ECHO_MORE, and writes what goes back to `out` (at
 * most *taken + ECHO_ROOM bytes), its length to *out_len. Nothing may be fed after ECHO_CLOSE and ECHO_BAD.
 */
enum echo_verdict echo_feed(struct echo *e, const uint8_t *bytes, size_t n, uint64_t limit, size_t *taken,
                            uint8_t *out, size_t *out_len, struct stats *stats, const char **why);

#endif
