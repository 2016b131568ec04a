/* The client's request, and whether it is an upgrade to WebSocket (RFC 6455 section 4.2.1). */
#ifndef PROTO_HTTP_REQUEST_H
#define PROTO_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/http_head.h"

#define HTTP_CONNECTION_MAX                                                                                  \
    32 /* options that a request's Connection headers may list; each is looked for in every header */

/* Refusals of a request are a status (400, 426, 431 …) and a short reason; status 0: fine. */
struct http_fault {
    int status;
    const char *why;
};

struct http_request {
    struct http_slice method, target;
    struct http_slice host; /* the one Host header's value */
    struct http_slice path; /* of the target, without its query; of an absolute-form target the path in it */
    int minor;              /* HTTP/1.minor */
    bool upgrade;           /* asks for websocket by Upgrade and Connection */
    bool has_body;          /* Transfer-Encoding, or a Content-Length above 0 */
    struct http_slice key;  /* Sec-WebSocket-Key */
    struct http_slice version; /* Sec-WebSocket-Version */
    unsigned n_keys, n_versions;
    unsigned n_headers;
    struct http_header headers[HTTP_HEADERS_MAX];
};

/* Parses a whole head. The fault is 0, or 400 or 431. Refused besides what http_head.h names: a target that
 * is neither a path nor an absolute URI with the authority that Host has (RFC 9112 section 3.2), a target
 * with a fragment, another version than HTTP/1.0 and HTTP/1.1. */
struct http_fault http_request_parse(struct http_request *out, const char *head, size_t len);

/* Whether a well-formed request is an upgrade to WebSocket that may go on: 0; 426 for plain HTTP and for
 * another version than 13; 400 for a POST, HTTP/1.0, a body, an empty Host, a key that isn't 16 bytes of
 * base64, a key or version that stands there twice. */
struct http_fault http_request_check_upgrade(const struct http_request *r);

#endif
