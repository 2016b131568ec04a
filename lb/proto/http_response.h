/* The backend's answer, and whether it makes the tunnel (RFC 6455 section 4.1). */
#ifndef PROTO_HTTP_RESPONSE_H
#define PROTO_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/http_accept.h"
#include "proto/http_body.h"
#include "proto/http_head.h"

struct http_response {
    int status; /* 100 to 599 */
    int minor;
    bool upgrade; /* Upgrade names websocket and nothing else, Connection upgrade */
    bool framed;  /* a body is announced, which no 101 may have (RFC 9110 section 15.2) */
    struct http_slice accept;
    unsigned n_accepts;
    enum http_body_kind body; /* as for the answer to a GET */
    uint64_t body_len;
    unsigned n_headers;
    struct http_header headers[HTTP_HEADERS_MAX];
};

/* false: *why says what is wrong. Strict as http_head.h says; a chunked or a 1xx answer in HTTP/1.0 is
 * refused. A missing reason phrase is fine, with and without the space before it. */
bool http_response_parse(struct http_response *out, const char *head, size_t len, const char **why);

/* Whether an answer makes the tunnel: a 101 that names websocket and has exactly the Accept that the
 * request's key calls for. */
bool http_response_accepts(const struct http_response *r, const char accept[HTTP_ACCEPT_LEN],
                           const char **why);

#endif
