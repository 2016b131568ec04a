#include "proto/http_refusal.h"

#include <stdio.h>
#include <string.h>

#define WHY_MAX 128

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } REASONS[] = {
        {400, "Bad Request"},           {403, "Forbidden"},         {408, "Request Timeout"},
        {426, "Upgrade Required"},      {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"}, {502, "Bad Gateway"},       {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };

    for (size_t i = 0; i < sizeof REASONS / sizeof REASONS[0]; i++)
        if (REASONS[i].status == status)
            return REASONS[i].reason;
    return ""; /* RFC 9112 section 4: the phrase may be empty */
}

size_t http_refusal(char *out, size_t cap, int status, const char *why, unsigned retry_after_s)
{
    char retry[40] = "";
    size_t why_len = strnlen(why, WHY_MAX);
    int n;

    if (retry_after_s > 0)
        snprintf(retry, sizeof retry, "Retry-After: %u\r\n", retry_after_s);
    /* RFC 9110 section 7.8: who sends Upgrade names it in Connection. */
    n = snprintf(out, cap,
                 "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s%sConnection: "
                 "close%s\r\n\r\n%.*s\n",
                 status, reason_of(status), why_len + 1, retry,
                 status == 426 ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" : "",
                 status == 426 ? ", Upgrade" : "", (int)why_len, why);
    return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}
