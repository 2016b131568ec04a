/* What the head of a request and of an answer have in common, read strictly (RFC 9112, RFC 9110).
 * Bytes in, verdict out: the caller gathers bytes in one buffer, http_scan looks for the end of the head as
 * they come and refuses early what no head may hold; then the whole head is parsed once (http_request.h,
 * http_response.h). Slices point into the caller's bytes.
 *
 * Refused: bare CR or LF, NUL and other control bytes, obs-fold, white space before a colon, an empty or
 * malformed name, more than one Host or none, a Content-Length that isn't one plain number, Content-Length
 * with Transfer-Encoding, a Transfer-Encoding other than "chunked", more than HTTP_HEADERS_MAX headers. */
#ifndef PROTO_HTTP_HEAD_H
#define PROTO_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEADERS_MAX 128

struct http_slice {
    const char *at;
    size_t len;
};
struct http_header {
    struct http_slice name, value; /* value without white space around it */
};

enum http_verdict { HTTP_MORE, HTTP_DONE, HTTP_BAD, HTTP_TOO_LARGE };

/* How far the search has come; zero-initialised for each head. */
struct http_scan {
    uint32_t at;
};

/* buf[0..len) is all that has come so far. HTTP_DONE: *head_len is the length with its last CRLF CRLF, what
 * is behind it isn't head. HTTP_TOO_LARGE: max bytes and no end in sight. HTTP_BAD: a byte no head may hold;
 * *why says which. One empty line before a request line is skipped by the caller's passing skip_blank (RFC
 * 9112 section 2.2); it counts in head_len and *start tells its length: the head to parse is
 * buf[*start..*head_len). */
enum http_verdict http_scan(struct http_scan *scan, const char *buf, size_t len, size_t max, bool skip_blank,
                            size_t *start, size_t *head_len, const char **why);

/* The header lines of a head: at[0..len) is what is behind the first line's CRLF, up to and with the empty
 * line. HTTP_DONE, HTTP_BAD or, for too many of them, HTTP_TOO_LARGE; *why says what is wrong. */
enum http_verdict http_head_fields(const char *at, size_t len, struct http_header headers[HTTP_HEADERS_MAX],
                                   unsigned *n_headers, const char **why);

/* How the body is framed (RFC 9112 section 6). */
struct http_framing {
    bool chunked;
    bool has_length;
    uint64_t length;
};

/* NULL, or what is wrong with it. */
const char *http_head_framing(const struct http_header *headers, unsigned n_headers, int minor,
                              struct http_framing *out);

/* Whether any of the lines called `name` lists the token; both in lower case. */
bool http_head_lists(const struct http_header *headers, unsigned n_headers, const char *name,
                     const char *token);

/* The version at the end of a request line or the start of a status line: "HTTP/1.0" or "HTTP/1.1", exactly.
 * false: another. */
bool http_head_version(struct http_slice s, int *minor);

bool http_name_is(struct http_slice s, const char *lower);             /* case-insensitive */
bool http_same(struct http_slice a, struct http_slice b);              /* case-insensitive */
bool http_has_token(struct http_slice value, const char *lower_token); /* in a comma-separated list */

/* Takes the next element, without white space around it, from the front of a comma-separated list; false:
 * none is left. Empty ones are skipped. */
bool http_next_token(struct http_slice *list, struct http_slice *token);

#endif
