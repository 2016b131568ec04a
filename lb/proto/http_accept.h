/* The answer to a Sec-WebSocket-Key, by which a server shows that it means WebSocket (RFC 6455
 * section 4.2.2). */
#ifndef PROTO_HTTP_ACCEPT_H
#define PROTO_HTTP_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_ACCEPT_LEN     28 /* base64 of a SHA-1, no NUL */
#define HTTP_ACCEPT_KEY_MAX 64 /* a good key has 24 bytes */

/* Base64 of SHA-1 of the key and the GUID. false: libcrypto failed, or the key is longer than
 * HTTP_ACCEPT_KEY_MAX. */
bool http_accept_of(const char *key, size_t key_len, char out[HTTP_ACCEPT_LEN]);

#endif
