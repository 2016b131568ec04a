/* The head that the backend gets: the client's own, without what was meant for us only, and with what we know
 * of the client (RFC 9110 section 7.6, RFC 7239). */
#ifndef PROTO_HTTP_FORWARD_H
#define PROTO_HTTP_FORWARD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"
#include "proto/http_request.h"

enum http_forwarded { HTTP_FORWARDED_OFF, HTTP_FORWARDED_X, HTTP_FORWARDED_RFC7239 };

struct http_forward {
    enum http_forwarded mode;
    bool trusted; /* the client is a trusted proxy: what it says of others is kept and added to */
    bool tls;     /* the client came by TLS */
    const struct address_ip *client; /* one without an address (a Unix socket): "unknown" */
};

/* Writes the request line and the headers as they came, in their order, but: Connection and Upgrade
 * are written anew ("Connection: Upgrade", "Upgrade: websocket"), headers that the client's Connection
 * nominates and other hop-by-hop ones are left out (RFC 9110 section 7.6.1; a nominated Host,
 * Sec-WebSocket-*, forwarded or framing header isn't: a client must not be able to strip those), forged
 * forwarded headers are dropped ('_' counts as '-'; spelled with '_' even a trusted proxy's are, since it
 * only passed them on) and ours added, as `f` says. Returns the length, or 0 when cap is too small
 * (http_forward_bound tells a sufficient one). */
size_t http_request_forward(const struct http_request *r, const struct http_forward *f, char *out,
                            size_t cap);
size_t http_forward_bound(const struct http_request *r);

#endif
