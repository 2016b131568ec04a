/* The client's head: scanned as it comes, parsed, judged, and written anew for the backend.
 *
 * Choices: forwarding (mode, trusted, TLS), the client's address, chopping, head_max; then the bytes. */
#include "proto/http_request.h"

#include "base/address.h"
#include "proto/http_accept.h"
#include "proto/http_forward.h"
#include "proto/http_refusal.h"
#include "proto/http_response.h"
#include "slow_head.h"

static const struct address_ip clients[] = {
    {.family = 4, .port = 5000, .ip = {192, 0, 2, 7}},
    {.family = 6, .port = 5000, .ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}},
    {.family = 1},
    {.family = 0},
};
static const char *const client_texts[] = {"192.0.2.7", "2001:db8::1", NULL, NULL};
static const size_t head_maxes[] = {16384, 1024, 100, 1 << 20};

/* ---- a refusal of ours is a whole answer ---- */

static void check_refusal(struct http_fault fault)
{
    char out[HTTP_REFUSAL_MAX];
    size_t n = http_refusal(out, sizeof out, fault.status, fault.why, 0);
    struct http_scan scan = {0};
    struct http_response r;
    size_t start, len = 0;
    const char *why = NULL;

    fuzz_check(n > 0 && fault.why);
    fuzz_check(http_scan(&scan, out, n, n, false, &start, &len, &why) == HTTP_DONE);
    fuzz_check(http_response_parse(&r, out, len, &why) && r.status == fault.status);
    fuzz_check(r.body == HTTP_BODY_LENGTH && r.body_len == n - len);
}

/* ---- what the parser took ---- */

static bool within(struct http_slice s, const char *head, size_t len)
{
    return s.at >= head && s.at <= head + len && s.len <= (size_t)(head + len - s.at);
}

static void check_parsed(const struct http_request *r, const char *head, size_t len)
{
    static const char method_chars[] = "!#$%&'*+-.^_`|~";
    const struct http_header *h = r->headers;

    fuzz_check(r->method.at == head && r->method.len > 0);
    for (size_t i = 0; i < r->method.len; i++)
        fuzz_check(isalnum((unsigned char)head[i]) || (head[i] && strchr(method_chars, head[i])));
    fuzz_check(r->target.at == head + r->method.len + 1 && r->target.at[-1] == ' ');
    fuzz_check(r->minor == 0 || r->minor == 1);
    fuzz_check(memcmp(r->target.at + r->target.len, r->minor ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n", 11) == 0);
    for (size_t i = 0; i < r->target.len; i++)
        fuzz_check(r->target.at[i] > ' ' && r->target.at[i] < 127 && r->target.at[i] != '#');
    slow_fields(head, len, h, r->n_headers);
    fuzz_check(within(r->path, r->target.at, r->target.len) && r->path.len > 0 && r->path.at[0] == '/');
    fuzz_check(!memchr(r->path.at, '?', r->path.len));
    fuzz_check(slow_count(h, r->n_headers, "host") == 1);
    fuzz_check(slow_count(h, r->n_headers, "sec-websocket-key") == r->n_keys);
    fuzz_check(slow_count(h, r->n_headers, "sec-websocket-version") == r->n_versions);
    fuzz_check(r->upgrade == slow_upgrade(h, r->n_headers));
    if (slow_count(h, r->n_headers, "content-length") + slow_count(h, r->n_headers, "transfer-encoding") == 0)
        fuzz_check(!r->has_body);
}

static void check_upgrade(const struct http_request *r)
{
    struct http_fault fault = http_request_check_upgrade(r);
    char accept[HTTP_ACCEPT_LEN];

    if (fault.status) {
        fuzz_check(fault.status == 400 || fault.status == 426);
        check_refusal(fault);
        return;
    }
    fuzz_check(r->upgrade && r->minor == 1 && !r->has_body && r->host.len > 0);
    fuzz_check(slow_equal(r->method, (struct http_slice){"GET", 3}));
    fuzz_check(r->n_versions == 1 && slow_equal(r->version, (struct http_slice){"13", 2}));
    fuzz_check(r->n_keys == 1 && r->key.len == 24);
    fuzz_check(http_accept_of(r->key.at, r->key.len, accept));
}

/* ---- what the backend gets ---- */

/* The name with '_' as '-', in small letters, begins so. */
static bool reads_as(struct http_slice name, const char *text, bool whole)
{
    size_t n = strlen(text);

    if (name.len < n || (whole && name.len > n))
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = (char)tolower((unsigned char)name.at[i]);
        if ((c == '_' ? '-' : c) != text[i])
            return false;
    }
    return true;
}

static bool is_telling(struct http_slice name)
{
    return reads_as(name, "x-forwarded-", false) || reads_as(name, "forwarded", true) ||
           reads_as(name, "x-real-ip", true);
}

static bool is_of_the_hop(struct http_slice name)
{
    static const char *const names[] = {"connection", "upgrade", "keep-alive", "proxy-connection", "te"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slow_is(name, names[i]))
            return true;
    return false;
}

static bool must_stay(const struct http_request *r, struct http_slice name)
{
    if (is_of_the_hop(name))
        return false;
    if (slow_is(name, "host") || slow_is(name, "content-length") || slow_is(name, "transfer-encoding") ||
        reads_as(name, "sec-websocket-", false))
        return true;
    return !slow_lists(r->headers, r->n_headers, "connection", name);
}

static struct http_slice value_of(const struct http_request *r, const char *name)
{
    for (unsigned i = 0; i < r->n_headers; i++)
        if (slow_is(r->headers[i].name, name))
            return r->headers[i].value;
    return (struct http_slice){NULL, 0};
}

static bool ends_with(struct http_slice s, const char *end)
{
    size_t n = strlen(end);

    return s.len >= n && memcmp(s.at + s.len - n, end, n) == 0;
}

/* X-Forwarded-For ends with who the client is; of an untrusted one it says nothing else, and nobody else
 * does. */
static void check_x_forwarded(const struct http_request *out, const struct http_forward *f,
                              const char *client)
{
    struct http_slice list = value_of(out, "x-forwarded-for");
    unsigned n = slow_count(out->headers, out->n_headers, "x-forwarded-for"), telling = 0;

    for (unsigned i = 0; i < out->n_headers; i++) {
        telling += is_telling(out->headers[i].name);
        fuzz_check(!is_telling(out->headers[i].name) ||
                   !memchr(out->headers[i].name.at, '_', out->headers[i].name.len));
    }
    fuzz_check(n <= 1 && (!client || (n == 1 && ends_with(list, client))));
    fuzz_check(slow_count(out->headers, out->n_headers, "x-forwarded-proto") >= 1);
    if (f->trusted)
        return;
    fuzz_check(client ? list.len == strlen(client) : n == 0);
    fuzz_check(telling == n + 1 + (out->host.len > 0)); /* and Proto and Host */
    fuzz_check(slow_is(value_of(out, "x-forwarded-proto"), f->tls ? "https" : "http"));
    fuzz_check(slow_equal(value_of(out, "x-forwarded-host"), out->host) || out->host.len == 0);
}

/* The last element of Forwarded, outside of all quotes, is ours. */
static void check_rfc7239(const struct http_request *out, const struct http_forward *f, const char *client)
{
    struct http_slice list = value_of(out, "forwarded");
    bool quoted = false;
    size_t last = 0;
    char ours[160];
    int n = client && strchr(client, ':')
                ? snprintf(ours, sizeof ours, "for=\"[%s]\"", client)
                : snprintf(ours, sizeof ours, "for=%s", client ? client : "unknown");

    fuzz_check(n > 0 && slow_count(out->headers, out->n_headers, "forwarded") == 1);
    for (size_t i = 0; i < list.len; i++) {
        if (list.at[i] == '"')
            quoted = !quoted;
        else if (list.at[i] == '\\' && quoted)
            i++;
        else if (list.at[i] == ',' && !quoted)
            last = i + 1;
    }
    fuzz_check(!quoted);
    while (last < list.len && list.at[last] == ' ')
        last++;
    fuzz_check(list.len - last > (size_t)n && memcmp(list.at + last, ours, (size_t)n) == 0);
    fuzz_check(ends_with(list, f->tls ? ";proto=https" : ";proto=http"));
    if (f->trusted)
        return;
    fuzz_check(last == 0);
    for (unsigned i = 0; i < out->n_headers; i++)
        fuzz_check(!is_telling(out->headers[i].name) || slow_is(out->headers[i].name, "forwarded"));
}

/* All that isn't ours to take or to write goes on as it is, in its order, and nothing comes in between. */
static void check_carried(const struct http_request *r, const struct http_request *out)
{
    unsigned k = 0;

    for (unsigned i = 0; i < r->n_headers; i++) {
        const struct http_header *h = &r->headers[i];

        if (is_telling(h->name) || !must_stay(r, h->name))
            continue;
        while (k < out->n_headers && is_telling(out->headers[k].name))
            k++;
        fuzz_check(k < out->n_headers && slow_equal(out->headers[k].name, h->name) &&
                   slow_equal(out->headers[k].value, h->value));
        k++;
    }
    for (; k < out->n_headers; k++)
        fuzz_check(is_telling(out->headers[k].name) ||
                   (r->upgrade && (slow_is(out->headers[k].name, "connection") ||
                                   slow_is(out->headers[k].name, "upgrade"))));
}

static void check_forwarded(const struct http_request *r, const struct http_forward *f, const char *client,
                            const char *head, size_t len)
{
    struct http_scan scan = {0};
    struct http_request out;
    size_t start, end = 0;
    const char *why = NULL;

    fuzz_check(http_scan(&scan, head, len, len, false, &start, &end, &why) == HTTP_DONE && end == len);
    struct http_fault fault = http_request_parse(&out, head, len);
    if (fault.status == 431 && r->n_headers + 5 > HTTP_HEADERS_MAX)
        return; /* ours are too many for this parser; the backend may take them */
    fuzz_check(fault.status == 0);
    fuzz_check(slow_equal(out.method, r->method) && slow_equal(out.target, r->target));
    fuzz_check(out.minor == r->minor && out.upgrade == r->upgrade && out.has_body == r->has_body);
    fuzz_check(slow_equal(out.host, r->host) && slow_equal(out.key, r->key));
    fuzz_check(http_request_check_upgrade(&out).status == http_request_check_upgrade(r).status);
    fuzz_check(slow_count(out.headers, out.n_headers, "connection") == (r->upgrade ? 1 : 0));
    check_carried(r, &out);
    if (f->mode == HTTP_FORWARDED_X)
        check_x_forwarded(&out, f, client);
    else if (f->mode == HTTP_FORWARDED_RFC7239)
        check_rfc7239(&out, f, client);
}

static void forward(const struct http_request *r, unsigned how, unsigned who)
{
    struct http_forward f = {.mode = (enum http_forwarded)(how % 3),
                             .trusted = how / 3 & 1,
                             .tls = how / 6 & 1,
                             .client = who % 5 < 4 ? &clients[who % 5] : NULL};
    const char *client = f.client ? client_texts[who % 5] : NULL;
    size_t bound = http_forward_bound(r), n, m;
    char *out = malloc(bound), *exact, *short_one;

    fuzz_check(out);
    n = http_request_forward(r, &f, out, bound);
    fuzz_check(n > 0 && n <= bound);
    exact = malloc(n);
    short_one = malloc(n - 1);
    fuzz_check(exact && short_one);
    m = http_request_forward(r, &f, exact, n);
    fuzz_check(m == n && memcmp(exact, out, n) == 0);
    fuzz_check(http_request_forward(r, &f, short_one, n - 1) == 0);
    check_forwarded(r, &f, client, exact, n);
    free(out);
    free(exact);
    free(short_one);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    unsigned how = fuzz_choice(&in), who = fuzz_choice(&in), way = fuzz_choice(&in);
    size_t max = head_maxes[fuzz_choice(&in) % 4];
    struct fuzz_slowly s = fuzz_slowly_new(in);
    struct slow_scan scan = slow_scan_pieces(&s, way, max, true);

    if (scan.verdict == HTTP_DONE) {
        size_t len = scan.end - scan.start;
        char *head = fuzz_copy(s.bytes + scan.start, len);
        struct http_request r;
        struct http_fault fault = http_request_parse(&r, head, len);

        if (fault.status) {
            fuzz_check(fault.status == 400 || fault.status == 431);
            check_refusal(fault);
        } else {
            check_parsed(&r, head, len);
            check_upgrade(&r);
            forward(&r, how, who);
        }
        free(head);
    }
    fuzz_slowly_free(&s);
    return 0;
}
