#include "party.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/ws_frame.h"
#include "slow_tracker.h"

#define SAID_MAX  (1u << 20)
#define HEARD_MAX (2 * SAID_MAX)
#define FLOOD     0xff00u

void party_init(struct party *p, int fd)
{
    *p = (struct party){.fd = fd, .said = p->said, .heard = p->heard};
    if (!p->said)
        p->said = malloc(SAID_MAX);
    if (!p->heard)
        p->heard = malloc(HEARD_MAX);
    fuzz_check(p->said && p->heard);
}

void party_hear(struct party *p)
{
    while (p->fd >= 0 && !p->stalls && !p->heard_end) {
        fuzz_check(p->n_heard < HEARD_MAX);
        ssize_t n = recv(p->fd, p->heard + p->n_heard, HEARD_MAX - p->n_heard, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            p->heard_end = true;
        else
            p->n_heard += (size_t)n;
    }
}

void party_say(struct party *p, const void *bytes, size_t n)
{
    if (p->fd < 0 || p->ended || p->n_lost || n > SAID_MAX - p->n_said)
        return;
    ssize_t sent = n ? send(p->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    size_t whole = sent > 0 ? (size_t)sent : 0;
    memcpy(p->said + p->n_said, bytes, whole);
    p->n_said += whole;
    p->n_lost = n - whole;
}

void party_flood(struct party *p, bool masked)
{
    static uint8_t frame[FLOOD + 8];
    uint8_t *at = frame;

    for (size_t i = 0; i < sizeof frame; i++) /* no two stretches are alike */
        frame[i] = (uint8_t)(i * 7 + i / 251);
    *at++ = 0x82;
    *at++ = masked ? 0xfe : 126;
    *at++ = FLOOD >> 8;
    *at++ = FLOOD & 0xff;
    party_say(p, frame, FLOOD + (masked ? 8 : 4));
}

void party_say_some(struct party *p, struct fuzz_in *in)
{
    size_t n = fuzz_choice(in);

    n = n < in->n ? n : in->n;
    party_say(p, in->at, n);
    in->at += n;
    in->n -= n;
}

void party_finish(struct party *p)
{
    if (p->fd < 0)
        return;
    shutdown(p->fd, SHUT_WR);
    p->ended = true;
}

/* By unread bytes in its queue the close of a Unix socket is a reset. */
void party_reset(struct party *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

/* ---- what was heard, against what was said ---- */

enum close_form { CLOSE_NEVER, CLOSE_PLAIN, CLOSE_MASKED };

/* That bytes[0..n) are whole frames, none of them a Close. */
static bool may_be_closed(const uint8_t *bytes, size_t n, bool masked)
{
    struct slow_tracker t = {.masked = masked};

    for (size_t i = 0; i < n && t.verdict == WS_FINE; i++)
        slow_feed(&t, bytes[i]);
    return t.verdict == WS_FINE && t.n_head == 0 && !t.close_code;
}

static bool begins_close(const uint8_t *bytes, size_t n, bool masked)
{
    return bytes[0] == 0x88 && (n < 2 || (bytes[1] >= 128) == masked) &&
           (n < 3 || n <= (masked ? 6u : 2u) + bytes[1] % 128);
}

/* That heard is a beginning of said, or that and, between two frames of which none was a Close, a Close of
 * somebody else's, whole or not. */
static void check(const uint8_t *heard, size_t n, const uint8_t *said, size_t n_said, enum close_form close)
{
    bool masked = close == CLOSE_MASKED;
    size_t same = 0;

    while (same < n && same < n_said && heard[same] == said[same])
        same++;
    if (same == n)
        return;
    fuzz_check(close != CLOSE_NEVER);
    for (size_t at = same + 1; at-- > 0 && n - at <= WS_CLOSE_MAX;)
        if (begins_close(heard + at, n - at, masked) && may_be_closed(heard, at, masked))
            return;
    fuzz_fail(__FILE__, __LINE__, "what is heard is what was said, and then a Close");
}

/* Behind the first head from `at` on; 0: it isn't there whole. */
static size_t behind_head(const uint8_t *bytes, size_t n, size_t at)
{
    const uint8_t *end = memmem(bytes + at, n - at, "\r\n\r\n", 4);

    return end ? (size_t)(end - bytes) + 4 : 0;
}

/* Behind the 101, past interim answers. */
static size_t behind_answers(const uint8_t *bytes, size_t n)
{
    for (size_t at = 0, end; (end = behind_head(bytes, n, at)) > 0; at = end)
        if (memcmp(bytes + at + 9, "101", 3) == 0)
            return end;
    return 0;
}

static void check_to_client(const struct party *to, const struct party *from)
{
    size_t at = behind_answers(to->heard, to->n_heard);

    if (at == 0) {
        check(to->heard, to->n_heard, from->said, from->n_said, CLOSE_NEVER);
        return;
    }
    fuzz_check(from->n_said >= at && memcmp(to->heard, from->said, at) == 0);
    check(to->heard + at, to->n_heard - at, from->said + at, from->n_said - at, CLOSE_PLAIN);
}

static void check_to_backend(const struct party *to, const struct party *from)
{
    size_t heard_at = behind_head(to->heard, to->n_heard, 0),
           said_at = behind_head(from->said, from->n_said, 0);

    if (heard_at == 0)
        return; /* it has answered a head that it hasn't read */
    fuzz_check(said_at > 0);
    check(to->heard + heard_at, to->n_heard - heard_at, from->said + said_at, from->n_said - said_at,
          CLOSE_MASKED);
}

void party_check_websocket(const struct party *client, const struct party *backend)
{
    check_to_client(client, backend);
    check_to_backend(backend, client);
}

void party_check_tcp(const struct party *a, const struct party *b, bool whole)
{
    check(a->heard, a->n_heard, b->said, b->n_said, CLOSE_NEVER);
    check(b->heard, b->n_heard, a->said, a->n_said, CLOSE_NEVER);
    if (!whole || a->stalls || b->stalls)
        return;
    fuzz_check(a->n_heard == b->n_said && b->n_heard == a->n_said);
    fuzz_check(a->ended == b->heard_end && b->ended == a->heard_end);
}
