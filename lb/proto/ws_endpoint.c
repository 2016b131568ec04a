#include "proto/ws_endpoint.h"

#include <endian.h>
#include <string.h>

#define RESERVED_BITS 0x70u

void ws_endpoint_init(struct ws_endpoint *e, bool masked)
{
    *e = (struct ws_endpoint){0};
    ws_frame_init(&e->frame, masked);
}

bool ws_endpoint_code_ok(unsigned code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

static const char *header_fault(const struct ws_endpoint *e, bool in_message)
{
    uint8_t opcode = e->frame.opcode;

    if (e->first & RESERVED_BITS)
        return "reserved bits without an extension";
    if ((opcode > WS_BINARY && opcode < WS_CLOSE) || opcode > WS_PONG)
        return "unknown opcode";
    if (opcode == WS_CONTINUATION && !in_message)
        return "continuation without a message";
    if ((opcode == WS_TEXT || opcode == WS_BINARY) && in_message)
        return "a message within a message";
    if (opcode == WS_CLOSE && e->frame.length == 1)
        return "Close with half a code";
    return NULL;
}

/* Feeds the tracker up to the end of the header and no further. */
static size_t header_take(struct ws_endpoint *e, const uint8_t *bytes, size_t n, struct ws_endpoint_piece *p)
{
    struct ws_frame *f = &e->frame;
    struct ws_frame_seen seen = {0};
    bool in_message = f->in_message;
    size_t at = 0;

    while (at < n && !p->head && !p->bad) {
        size_t need = f->head_got < 2 ? 2u - f->head_got : (size_t)f->head_size - f->head_got;
        if (f->head_got == 0)
            e->first = bytes[at];
        if (need > n - at)
            need = n - at;
        ws_frame_feed(f, bytes + at, need, &seen);
        if (f->verdict != WS_FINE) {
            p->bad = ws_verdict_text((enum ws_verdict)f->verdict);
            break;
        }
        at += need;
        p->end = seen.frames > 0; /* nothing behind the header */
        p->head = p->end || (f->head_got >= 2 && f->head_got == f->head_size);
    }
    if (p->head && !p->bad)
        p->bad = header_fault(e, in_message);
    return at;
}

size_t ws_endpoint_next(struct ws_endpoint *e, const uint8_t *bytes, size_t n, struct ws_endpoint_piece *p)
{
    struct ws_frame *f = &e->frame;
    size_t at = 0;

    *p = (struct ws_endpoint_piece){0};
    if (f->left == 0)
        at = header_take(e, bytes, n, p);
    if (p->bad)
        return at;
    if (f->left > 0 && at < n) {
        struct ws_frame_seen seen;
        p->payload = bytes + at;
        p->at = f->length - f->left;
        p->n = f->left < n - at ? (size_t)f->left : n - at;
        at += ws_frame_feed(f, p->payload, p->n, &seen);
        p->end = seen.frames > 0;
    }
    /* A code that was sent and is 1005 or 0 looks like none to the tracker. */
    if (p->end && f->opcode == WS_CLOSE && f->length > 0 && !ws_endpoint_code_ok(f->close_code))
        p->bad = "Close with a code that is never sent";
    return at;
}

void ws_endpoint_mask(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t mask[4], uint64_t at)
{
    uint8_t m[8];
    uint64_t word, mask8;
    size_t i = 0;

    for (unsigned k = 0; k < 8; k++)
        m[k] = mask[(at + k) % 4];
    memcpy(&mask8, m, sizeof mask8);
    for (; i + 8 <= n; i += 8) {
        memcpy(&word, src + i, sizeof word);
        word ^= mask8;
        memcpy(dst + i, &word, sizeof word);
    }
    for (; i < n; i++)
        dst[i] = src[i] ^ m[i % 8];
}

size_t ws_endpoint_header(uint8_t out[WS_HEADER_MAX], uint8_t first, uint64_t length, const uint8_t mask[4])
{
    size_t n = 2;

    out[0] = first;
    if (length < 126) {
        out[1] = (uint8_t)length;
    } else if (length <= UINT16_MAX) {
        uint16_t be = htobe16((uint16_t)length);
        out[1] = 126;
        memcpy(out + 2, &be, sizeof be);
        n = 4;
    } else {
        uint64_t be = htobe64(length);
        out[1] = 127;
        memcpy(out + 2, &be, sizeof be);
        n = 10;
    }
    if (mask) {
        out[1] |= 0x80;
        memcpy(out + n, mask, 4);
        n += 4;
    }
    return n;
}
