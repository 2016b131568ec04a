#include "proto/http_response.h"

#include <string.h>

#include "proto/http_char.h"

/* RFC 9112 section 4: version SP three digits [SP reason]. */
static const char *line_parse(struct http_response *r, struct http_slice line)
{
    if (line.len < 12 || line.at[8] != ' ' || !http_head_version((struct http_slice){line.at, 8}, &r->minor))
        return "bad status line";
    for (size_t i = 9; i < 12; i++) {
        if (line.at[i] < '0' || line.at[i] > '9')
            return "bad status code";
        r->status = r->status * 10 + (line.at[i] - '0');
    }
    if (r->status < 100 || r->status > 599)
        return "bad status code";
    if (line.len > 12 && line.at[12] != ' ')
        return "bad status line";
    for (size_t i = 12; i < line.len; i++)
        if (!http_is_text(line.at[i]))
            return "control byte in the reason phrase";
    if (r->status < 200 && r->minor == 0)
        return "1xx answer in HTTP/1.0";
    return NULL;
}

/* RFC 9112 section 6.3, for the answer to a GET. */
static void body_choose(struct http_response *r, const struct http_framing *framing)
{
    if (r->status < 200 || r->status == 204 || r->status == 304)
        r->body = HTTP_BODY_NONE;
    else if (framing->chunked)
        r->body = HTTP_BODY_CHUNKED;
    else if (framing->has_length)
        r->body = HTTP_BODY_LENGTH;
    else
        r->body = HTTP_BODY_UNTIL_CLOSE;
    r->body_len = r->body == HTTP_BODY_LENGTH ? framing->length : 0;
}

/* RFC 6455 section 4.1: the field's value is "websocket"; a 101 that names another protocol beside it could
 * mean that one. */
static bool names_websocket_alone(const struct http_response *r)
{
    bool named = false;
    for (unsigned i = 0; i < r->n_headers; i++) {
        if (!http_name_is(r->headers[i].name, "upgrade"))
            continue;
        if (!http_name_is(r->headers[i].value, "websocket"))
            return false;
        named = true;
    }
    return named;
}

bool http_response_parse(struct http_response *out, const char *head, size_t len, const char **why)
{
    const char *cr = memchr(head, '\r', len);
    struct http_framing framing;

    memset(out, 0, offsetof(struct http_response, headers));
    if (!cr || cr + 1 == head + len || cr[1] != '\n') {
        *why = "bad status line";
        return false;
    }
    *why = line_parse(out, (struct http_slice){head, (size_t)(cr - head)});
    if (*why)
        return false;
    if (http_head_fields(cr + 2, len - (size_t)(cr + 2 - head), out->headers, &out->n_headers, why) !=
        HTTP_DONE)
        return false;
    *why = http_head_framing(out->headers, out->n_headers, out->minor, &framing);
    if (*why)
        return false;
    for (unsigned i = 0; i < out->n_headers; i++)
        if (http_name_is(out->headers[i].name, "sec-websocket-accept")) {
            out->n_accepts++;
            out->accept = out->headers[i].value;
        }
    out->framed = framing.chunked || framing.length > 0;
    out->upgrade =
        http_head_lists(out->headers, out->n_headers, "connection", "upgrade") && names_websocket_alone(out);
    body_choose(out, &framing);
    return true;
}

bool http_response_accepts(const struct http_response *r, const char accept[HTTP_ACCEPT_LEN],
                           const char **why)
{
    if (r->status != 101)
        *why = "the status isn't 101";
    else if (!r->upgrade)
        *why = "the 101 doesn't name websocket in Upgrade and upgrade in Connection";
    else if (r->framed)
        *why = "the 101 announces a body";
    else if (r->n_accepts != 1)
        *why = r->n_accepts ? "the 101 has more than one Sec-WebSocket-Accept"
                            : "the 101 has no Sec-WebSocket-Accept";
    else if (r->accept.len != HTTP_ACCEPT_LEN || memcmp(r->accept.at, accept, HTTP_ACCEPT_LEN) != 0)
        *why = "the 101 has a wrong Sec-WebSocket-Accept";
    else
        return true;
    return false;
}
