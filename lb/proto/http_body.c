#include "proto/http_body.h"

#include "proto/http_char.h"

/* What the chunk reader waits for (RFC 9112 section 7.1). */
enum chunk_state {
    SIZE,       /* a hex digit, or what ends the size */
    SIZE_BLANK, /* white space behind the size */
    EXTENSION,  /* up to CR */
    SIZE_LF,    /* the size line's LF */
    DATA,       /* `left` bytes */
    DATA_CR,    /* the CR behind them */
    DATA_LF,
    TRAILER_START, /* a trailer's name or the last line's CR */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF
};

void http_body_init(struct http_body *b, enum http_body_kind kind, uint64_t length)
{
    *b = (struct http_body){.kind = kind, .state = SIZE, .left = kind == HTTP_BODY_LENGTH ? length : 0};
    b->done = kind == HTTP_BODY_NONE || (kind == HTTP_BODY_LENGTH && length == 0);
}

static int hex_value(char c)
{
    char low = (char)(c | 0x20);

    if (c >= '0' && c <= '9')
        return c - '0';
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static bool to(struct http_body *b, enum chunk_state next)
{
    b->state = (uint8_t)next;
    return true;
}

/* A byte of an extension or a trailer: neither may go on for ever. */
static bool extra(struct http_body *b, enum chunk_state next)
{
    return ++b->extra <= HTTP_BODY_EXTRA_MAX && to(b, next);
}

static bool size_byte(struct http_body *b, char c)
{
    int digit = hex_value(c);

    if (b->state == SIZE && digit >= 0) {
        b->left = b->left << 4 | (unsigned)digit;
        return ++b->digits <= 16;
    }
    if (b->digits == 0)
        return false;
    if (c == '\r')
        return to(b, SIZE_LF);
    if (c == ';')
        return extra(b, EXTENSION);
    return http_is_blank(c) && extra(b, SIZE_BLANK);
}

/* One byte outside the chunks' data; false: it may not stand there. */
static bool chunk_byte(struct http_body *b, char c)
{
    switch ((enum chunk_state)b->state) {
    case SIZE:
    case SIZE_BLANK:
        return size_byte(b, c);
    case EXTENSION:
        return c == '\r' ? to(b, SIZE_LF) : http_is_text(c) && extra(b, EXTENSION);
    case SIZE_LF:
        b->digits = 0;
        return c == '\n' && to(b, b->left ? DATA : TRAILER_START);
    case DATA:
        return false;
    case DATA_CR:
        return c == '\r' && to(b, DATA_LF);
    case DATA_LF:
        return c == '\n' && to(b, SIZE);
    case TRAILER_START:
        return c == '\r' ? to(b, LAST_LF) : http_is_tchar(c) && extra(b, TRAILER_NAME);
    case TRAILER_NAME:
        return c == ':' ? extra(b, TRAILER_VALUE) : http_is_tchar(c) && extra(b, TRAILER_NAME);
    case TRAILER_VALUE:
        return c == '\r' ? to(b, TRAILER_LF) : http_is_text(c) && extra(b, TRAILER_VALUE);
    case TRAILER_LF:
        return c == '\n' && to(b, TRAILER_START);
    case LAST_LF:
        b->done = c == '\n';
        return b->done;
    }
    return false;
}

static size_t data_take(struct http_body *b, size_t n)
{
    size_t taken = b->left < n ? (size_t)b->left : n;

    b->left -= taken;
    return taken;
}

static size_t chunked_feed(struct http_body *b, const char *bytes, size_t n)
{
    size_t at = 0;

    while (at < n && !b->done) {
        if (b->state == DATA) {
            at += data_take(b, n - at);
            if (b->left == 0)
                b->state = DATA_CR;
        } else if (chunk_byte(b, bytes[at])) {
            at++;
        } else {
            b->bad = true;
            break;
        }
    }
    return at;
}

size_t http_body_feed(struct http_body *b, const char *bytes, size_t n)
{
    size_t taken;

    if (b->done || b->bad)
        return 0;
    switch (b->kind) {
    case HTTP_BODY_LENGTH:
        taken = data_take(b, n);
        b->done = b->left == 0;
        return taken;
    case HTTP_BODY_CHUNKED:
        return chunked_feed(b, bytes, n);
    case HTTP_BODY_UNTIL_CLOSE:
        return n;
    case HTTP_BODY_NONE:
        break;
    }
    return 0;
}
