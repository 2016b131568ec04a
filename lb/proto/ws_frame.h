/* Where frames and messages begin and end in a stream of bytes (RFC 6455, section 5). A tracker is 32 bytes
 * of plain data that moves with its connection; it is fed what was read, in any chopping, and says how much
 * of it may go on. It looks at headers only, a payload is skipped by one subtraction (but for the two bytes
 * of a Close's code).
 *
 * It refuses only what makes the boundaries unknowable or breaks masking and control frames (Close, Ping,
 * Pong): a length with the top bit set, a frame masked in the wrong direction, a control frame that is
 * fragmented or longer than 125 bytes. Reserved bits, unknown opcodes, bad UTF-8, lengths in a longer form
 * than needed are the endpoints' business. */
#ifndef PROTO_WS_FRAME_H
#define PROTO_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ws_opcode { WS_CONTINUATION = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

enum ws_verdict { WS_FINE, WS_BAD_LENGTH, WS_BAD_MASK, WS_BAD_CONTROL };
const char *ws_verdict_text(enum ws_verdict v); /* for a log line and a Close's reason */

#define WS_CLOSE_NONE 1005u /* RFC 6455 section 7.4.1: a Close without a code; never sent */

struct ws_frame {
    uint64_t left;       /* payload bytes of the current frame still to come */
    uint64_t length;     /* the payload's length as far as the header has told it */
    uint16_t close_code; /* of the first complete Close; 0: none seen, WS_CLOSE_NONE: it had none, or 0, which
                            nobody may send */
    uint8_t opcode;      /* of the current frame */
    uint8_t head_got;    /* header bytes seen of the current frame; 0: between two frames */
    uint8_t head_size;   /* of the current header, as far as is known (2 to 14) */
    bool fin : 1;
    bool masked : 1;     /* frames of this direction must be masked (a client's) */
    bool in_message : 1; /* a message has begun (its first header is whole) and its last frame hasn't ended */
    uint8_t verdict;     /* enum ws_verdict; once bad it stays bad */
    uint8_t mask[4]; /* of the current frame, 0 where it has none; of a Close its unmasked code is gathered
                        here */
};

/* What one call of ws_frame_feed saw. */
struct ws_frame_seen {
    uint32_t messages; /* data messages that ended */
    uint32_t frames;   /* frames that ended */
    size_t boundary;   /* just behind the last frame that ended in these bytes; 0 when none did */
    size_t close_end;  /* just behind the first complete Close that ended in these bytes; 0 when none did */
};

void ws_frame_init(struct ws_frame *f, bool masked);

/* Takes n bytes. Returns how many of them may go on: n, or, when f->verdict is bad afterwards, those before
 * the byte that shows the fault, without any of the offending frame's header that came in this same call.
 * *seen is overwritten. After a bad verdict nothing more may be fed. */
size_t ws_frame_feed(struct ws_frame *f, const uint8_t *bytes, size_t n, struct ws_frame_seen *seen);

/* Between two frames: a control frame may be put in here. */
static inline bool ws_frame_between(const struct ws_frame *f)
{
    return f->head_got == 0;
}

/* A quiet moment: between two frames and no message is unfinished. */
static inline bool ws_frame_quiet(const struct ws_frame *f)
{
    return f->head_got == 0 && !f->in_message;
}

#define WS_CLOSE_MAX 131 /* header, mask, code, reason of 123 bytes */

/* Writes a whole Close frame; the reason is cut at 123 bytes, at a UTF-8 boundary. `mask` NULL: unmasked, as
 * a server sends it; else 4 bytes and the frame is masked as a client's. `reason` may be NULL. Returns its
 * length. code must not be 1005, 1006 or 1015. */
size_t ws_frame_write_close(uint8_t out[WS_CLOSE_MAX], uint16_t code, const char *reason,
                            const uint8_t mask[4]);

#endif
