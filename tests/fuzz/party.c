#include "party.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/ws_frame.h"

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

    memset(frame, 'x', sizeof frame);
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

void party_check(const uint8_t *heard, size_t n, const uint8_t *said, size_t n_said, bool may_close)
{
    size_t same = 0;

    while (same < n && same < n_said && heard[same] == said[same])
        same++;
    if (same == n)
        return;
    fuzz_check(may_close);
    for (size_t at = same + 1; at-- > 0 && n - at <= WS_CLOSE_MAX;)
        if (heard[at] == 0x88 && (n - at < 2 || n - at <= 6u + (heard[at + 1] & 0x7f)))
            return;
    fuzz_fail(__FILE__, __LINE__, "what is heard is what was said");
}
