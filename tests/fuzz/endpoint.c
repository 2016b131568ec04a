/* An endpoint's reading of a stream: the same headers, payload and faults in any chopping, and the stream
 * made anew from what it read.
 *
 * Choices: masked, chopping; then the stream. */
#include "proto/ws_endpoint.h"

#include "fuzz.h"

/* All that was read, one behind the other. */
struct story {
    uint8_t *payload; /* of all frames, unmasked */
    size_t n_payload, n_heads, n_ends;
    uint64_t shapes; /* a hash of headers */
    const char *bad;
    bool closed;
    uint8_t *again; /* the stream, with the shortest headers */
    size_t n_again;
    bool same; /* the stream had them, too, and no Close: a tracker gathers the code where the mask was */
};

static void take_head(struct story *s, const struct ws_endpoint *e)
{
    const struct ws_frame *f = &e->frame;
    uint8_t head[WS_HEADER_MAX];
    size_t n = ws_endpoint_header(head, e->first, f->length, f->masked ? f->mask : NULL);

    fuzz_check(f->opcode == (e->first & 15) && f->fin == e->first >> 7);
    s->n_heads++;
    s->shapes = (s->shapes ^ f->length ^ (uint64_t)e->first << 56) * 0x100000001b3u;
    s->same = s->same && n == f->head_size && f->opcode != WS_CLOSE;
    memcpy(s->again + s->n_again, head, n);
    s->n_again += n;
}

static void take_payload(struct story *s, const struct ws_endpoint *e, const struct ws_endpoint_piece *p,
                         const uint8_t mask[4])
{
    uint8_t *to = s->payload + s->n_payload;

    fuzz_check(p->at <= e->frame.length && p->n <= e->frame.length - p->at);
    memcpy(to, p->payload, p->n);
    if (e->frame.opcode != WS_CLOSE)
        ws_endpoint_mask(to, to, p->n, mask, p->at);
    ws_endpoint_mask(s->again + s->n_again, to, p->n, mask, p->at);
    s->n_payload += p->n;
    s->n_again += p->n;
}

/* Codes that a Close may carry: RFC 6455 section 7.4 and what has been registered since. */
static bool is_sendable(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/* A Close's code, gathered where bytes come one by one: there the mask is known before the payload. */
static void check_close(const struct ws_endpoint *e, const struct ws_endpoint_piece *p, const uint8_t mask[4],
                        uint8_t code[2])
{
    if (p->n > 0 && p->at < 2)
        code[p->at] = p->payload[0] ^ mask[p->at];
    if (p->end && p->payload && e->frame.opcode == WS_CLOSE)
        fuzz_check(!p->bad == is_sendable(code[0] * 256u + code[1]));
}

static struct story read_all(const uint8_t *stream, size_t n, bool masked, unsigned way)
{
    struct story s = {.payload = malloc(n + 1), .again = malloc(8 * n + 16), .same = true};
    struct fuzz_chop chop = fuzz_chop_new(way);
    struct ws_endpoint e;
    uint8_t mask[4] = {0}, code[2] = {0};

    fuzz_check(s.payload && s.again);
    ws_endpoint_init(&e, masked);
    for (size_t at = 0; at < n && !s.bad && !s.closed;) { /* whoever has read a Close reads no more */
        size_t piece = fuzz_chop_next(&chop, n - at);
        uint8_t *exact = fuzz_copy(stream + at, piece);

        for (size_t done = 0; done < piece && !s.bad && !s.closed;) {
            struct ws_endpoint_piece p;
            size_t taken = ws_endpoint_next(&e, exact + done, piece - done, &p);

            fuzz_check(taken <= piece - done && (taken > 0 || p.bad));
            if (p.head && (!p.bad || p.payload)) { /* with a payload it is the Close's code that is bad */
                memcpy(mask, e.frame.mask, sizeof mask);
                take_head(&s, &e);
            }
            if (p.n > 0)
                take_payload(&s, &e, &p, mask);
            if (way == 1)
                check_close(&e, &p, mask, code);
            s.n_ends += p.end;
            s.closed = p.end && e.frame.opcode == WS_CLOSE;
            s.bad = p.bad;
            done += taken;
        }
        free(exact);
        at += piece;
    }
    return s;
}

static void story_free(struct story *s)
{
    free(s->payload);
    free(s->again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    bool masked = fuzz_choice(&in) & 1;
    unsigned way = fuzz_choice(&in);
    struct story a = read_all(in.at, in.n, masked, 1), b = read_all(in.at, in.n, masked, way);

    fuzz_check(a.n_heads == b.n_heads && a.n_ends == b.n_ends && a.shapes == b.shapes && a.bad == b.bad);
    fuzz_check(a.n_payload == b.n_payload && memcmp(a.payload, b.payload, a.n_payload) == 0);
    fuzz_check(!a.same || (a.n_again <= in.n && memcmp(a.again, in.at, a.n_again) == 0));
    fuzz_check(!b.same || (b.n_again <= in.n && memcmp(b.again, in.at, b.n_again) == 0));
    story_free(&a);
    story_free(&b);
    return 0;
}
