/* What a client is told that can't be served, before it has a tunnel. */
#ifndef PROTO_HTTP_REFUSAL_H
#define PROTO_HTTP_REFUSAL_H

#include <stddef.h>

#define HTTP_REFUSAL_MAX 512

/* A whole answer with "Connection: close", a text/plain body that is `why` (at most 128 bytes of it) and a
 * newline, Retry-After when retry_after_s > 0, for 426 "Upgrade: websocket" and "Sec-WebSocket-Version: 13".
 * Returns the length, 0 when cap is too small for it and a NUL; HTTP_REFUSAL_MAX bytes always suffice. */
size_t http_refusal(char *out, size_t cap, int status, const char *why, unsigned retry_after_s);

#endif
