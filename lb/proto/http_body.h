/* Follows the framed body of an answer: how much of what comes still belongs to it (RFC 9112 sections 6
 * and 7.1). */
#ifndef PROTO_HTTP_BODY_H
#define PROTO_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_BODY_EXTRA_MAX 8192 /* bytes of chunk extensions and trailers in one body */

enum http_body_kind { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED, HTTP_BODY_UNTIL_CLOSE };

/* Plain data. */
struct http_body {
    enum http_body_kind kind;
    uint8_t state;  /* of the chunk reader */
    uint8_t digits; /* of the current chunk size */
    bool done, bad;
    uint64_t left;  /* of the length or the current chunk */
    uint32_t extra; /* bytes of extensions and trailers so far */
};

void http_body_init(struct http_body *b, enum http_body_kind kind, uint64_t length);

/* Returns how many of the n bytes belong to the body; fewer than n when it ended (done) or broke (bad). */
size_t http_body_feed(struct http_body *b, const char *bytes, size_t n);

#endif
