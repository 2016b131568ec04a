/* What an endpoint does with a stream of frames (RFC 6455), built on the boundaries that ws_frame finds: it
 * looks at each frame's header, gets the payload piece by piece, and is as strict as an endpoint without
 * extensions has to be (reserved bits, opcodes, order of fragments, a Close's code). UTF-8 isn't checked. */
#ifndef PROTO_WS_ENDPOINT_H
#define PROTO_WS_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/ws_frame.h"

#define WS_HEADER_MAX 14

struct ws_endpoint {
    struct ws_frame frame; /* of the frame under way, and of the last one until the next begins */
    uint8_t first;         /* its first byte: FIN, reserved bits, opcode */
};

struct ws_endpoint_piece {
    const char *bad;        /* what is wrong (the stream is over then), or NULL */
    bool head;              /* the header ended in these bytes */
    bool end;               /* the frame ended in these bytes */
    const uint8_t *payload; /* n bytes of the frame's payload from offset `at` on, masked as they came */
    size_t n;
    uint64_t at;
};

void ws_endpoint_init(struct ws_endpoint *e, bool masked);

/* Takes bytes of one frame only: as much of its header and of its payload as there is. Returns how many were
 * taken (at least 1 when n > 0 and p->bad is NULL); call again with the rest. When a Close has ended,
 * e->frame.close_code is its code or WS_CLOSE_NONE. */
size_t ws_endpoint_next(struct ws_endpoint *e, const uint8_t *bytes, size_t n, struct ws_endpoint_piece *p);

/* Masks or unmasks (section 5.3) n bytes that stand at offset `at` of a payload; dst may be src or stand
 * before it, overlapping. */
void ws_endpoint_mask(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t mask[4], uint64_t at);

/* Writes a header with the shortest form of the length; `mask` NULL: unmasked, as a server's. Returns its
 * length. */
size_t ws_endpoint_header(uint8_t out[WS_HEADER_MAX], uint8_t first, uint64_t length, const uint8_t mask[4]);

/* Whether a Close may carry this code (section 7.4). */
bool ws_endpoint_code_ok(unsigned code);

#endif
