/* The two classes of bytes that a head and a chunked body are made of (RFC 9110 section 5.6.2 and 5.5). */
#ifndef PROTO_HTTP_CHAR_H
#define PROTO_HTTP_CHAR_H

#include <stdbool.h>
#include <string.h>

/* tchar: what a method and a header's name may hold. */
static inline bool http_is_tchar(char c)
{
    char low = (char)(c | 0x20);
    return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* What a header's value may hold: HTAB, SP, visible ASCII, and obs-text (0x80 to 0xff). */
static inline bool http_is_text(char c)
{
    unsigned char u = (unsigned char)c;
    return u == '\t' || (u >= ' ' && u != 0x7f);
}

static inline bool http_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

#endif
