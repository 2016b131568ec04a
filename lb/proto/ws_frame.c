#include "proto/ws_frame.h"

#include <endian.h>
#include <string.h>

_Static_assert(sizeof(struct ws_frame) == 32, "a tracker is part of the row of a connection");

const char *ws_verdict_text(enum ws_verdict v)
{
    switch (v) {
    case WS_FINE:
        return "fine";
    case WS_BAD_LENGTH:
        return "frame length with the top bit set";
    case WS_BAD_MASK:
        return "frame masked in the wrong direction";
    case WS_BAD_CONTROL:
        return "control frame fragmented or too long";
    }
    return "unknown";
}

void ws_frame_init(struct ws_frame *f, bool masked)
{
    *f = (struct ws_frame){.masked = masked};
}

static bool is_data(uint8_t opcode)
{
    return opcode < WS_CLOSE;
}

/* Close, Ping and Pong; what the opcodes above them mean, nobody knows yet. */
static bool is_control(uint8_t opcode)
{
    return opcode >= WS_CLOSE && opcode <= WS_PONG;
}

static inline uint8_t mask_at(const struct ws_frame *f)
{
    return (uint8_t)(f->head_size - (f->masked ? 4 : 0));
}

/* The header's first byte (RFC 6455 section 5.2). */
static inline enum ws_verdict first_byte(struct ws_frame *f, uint8_t b)
{
    f->opcode = b & 0x0f;
    f->fin = b >> 7;
    f->head_got = 1;
    f->head_size = 2;
    return is_control(f->opcode) && !f->fin ? WS_BAD_CONTROL : WS_FINE;
}

static inline enum ws_verdict second_byte(struct ws_frame *f, uint8_t b)
{
    uint8_t len = b & 0x7f;

    if (b >> 7 != f->masked)
        return WS_BAD_MASK;
    if (len > 125 && is_control(f->opcode))
        return WS_BAD_CONTROL;
    f->head_got = 2;
    f->head_size = (uint8_t)((len < 126 ? 2 : len == 126 ? 4 : 10) + (f->masked ? 4 : 0));
    f->length = len < 126 ? len : 0;
    memset(f->mask, 0, sizeof f->mask);
    return WS_FINE;
}

/* One byte of the extended length or the mask. */
static enum ws_verdict later_byte(struct ws_frame *f, uint8_t b)
{
    uint8_t at = f->head_got++, mask = mask_at(f);

    if (at >= mask)
        f->mask[at - mask] = b;
    else if (at == 2 && mask == 10 && b >> 7)
        return WS_BAD_LENGTH;
    else
        f->length = f->length << 8 | b;
    return WS_FINE;
}

/* All behind the second byte at once. */
static inline enum ws_verdict later_bytes(struct ws_frame *f, const uint8_t *head)
{
    uint8_t mask = mask_at(f);
    uint16_t length16;
    uint64_t length64;

    if (mask == 4) {
        memcpy(&length16, head + 2, sizeof length16);
        f->length = be16toh(length16);
    } else if (mask == 10) {
        memcpy(&length64, head + 2, sizeof length64);
        f->length = be64toh(length64);
        if (f->length >> 63)
            return WS_BAD_LENGTH;
    }
    if (f->masked)
        memcpy(f->mask, head + mask, sizeof f->mask);
    f->head_got = f->head_size;
    return WS_FINE;
}

/* Takes the header, or as much of it as there is; *at moves behind what was taken. */
static inline enum ws_verdict head_take(struct ws_frame *f, const uint8_t *bytes, size_t n, size_t *at)
{
    enum ws_verdict v = WS_FINE;

    if (f->head_got == 0 && n - *at >= 2) {
        const uint8_t *head = bytes + *at;
        v = first_byte(f, head[0]);
        if (v == WS_FINE)
            v = second_byte(f, head[1]);
        if (v != WS_FINE)
            return v;
        if (n - *at >= f->head_size) {
            *at += f->head_size;
            return later_bytes(f, head);
        }
        *at += 2;
    }
    while (*at < n && v == WS_FINE && (f->head_got == 0 || f->head_got < f->head_size)) {
        uint8_t b = bytes[(*at)++];
        v = f->head_got == 0 ? first_byte(f, b) : f->head_got == 1 ? second_byte(f, b) : later_byte(f, b);
    }
    return v;
}

/* The first two payload bytes of a Close are its code. They are gathered in the mask, which nobody needs
 * after them. */
static void code_take(struct ws_frame *f, const uint8_t *payload, size_t n)
{
    for (uint64_t at = f->length - f->left; at < 2 && n > 0; at++, n--)
        f->mask[at] ^= *payload++;
}

static void close_end(struct ws_frame *f)
{
    uint16_t code = 0;

    if (f->close_code)
        return;
    if (f->length >= 2)
        code = (uint16_t)(f->mask[0] << 8 | f->mask[1]);
    f->close_code = code ? code : WS_CLOSE_NONE;
}

static inline void frame_end(struct ws_frame *f, size_t at, struct ws_frame_seen *seen)
{
    f->head_got = 0;
    seen->frames++;
    seen->boundary = at;
    if (is_data(f->opcode)) {
        seen->messages += f->fin;
        f->in_message = !f->fin;
    } else if (f->opcode == WS_CLOSE) {
        close_end(f);
        if (!seen->close_end)
            seen->close_end = at;
    }
}

size_t ws_frame_feed(struct ws_frame *f, const uint8_t *bytes, size_t n, struct ws_frame_seen *seen)
{
    size_t at = 0;

    *seen = (struct ws_frame_seen){0};
    while (at < n) {
        if (f->left == 0) {
            size_t start = at;
            uint8_t passed_on = f->head_got;
            enum ws_verdict v = head_take(f, bytes, n, &at);
            if (v != WS_FINE) {
                f->verdict = (uint8_t)v;
                f->head_got = passed_on;
                return start;
            }
            if (f->head_got < f->head_size)
                return n;
            f->left = f->length;
            if (is_data(f->opcode))
                f->in_message = true;
        }
        size_t take = f->left < n - at ? (size_t)f->left : n - at;
        if (f->opcode == WS_CLOSE)
            code_take(f, bytes + at, take);
        f->left -= take;
        at += take;
        if (f->left == 0)
            frame_end(f, at, seen);
    }
    return n;
}

size_t ws_frame_write_close(uint8_t out[WS_CLOSE_MAX], uint16_t code, const char *reason,
                            const uint8_t mask[4])
{
    size_t len = reason ? strnlen(reason, 124) : 0;
    uint8_t *payload = out + (mask ? 6 : 2);

    if (len > 123) {
        len = 123;
        while (len && ((uint8_t)reason[len] & 0xc0) == 0x80)
            len--;
    }
    out[0] = 0x80 | WS_CLOSE;
    out[1] = (uint8_t)((mask ? 0x80 : 0) | (len + 2));
    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)code;
    if (len)
        memcpy(payload + 2, reason, len);
    if (mask) {
        memcpy(out + 2, mask, 4);
        for (size_t i = 0; i < len + 2; i++)
            payload[i] ^= mask[i % 4];
    }
    return (size_t)(payload - out) + len + 2;
}
