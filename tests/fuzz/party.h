/* Somebody at the other end of a stream socket: says anything, keeps what it said and heard, and may stall.
 */
#ifndef TESTS_FUZZ_PARTY_H
#define TESTS_FUZZ_PARTY_H

#include "fuzz.h"

struct party {
    int fd;      /* -1: not there, or gone */
    bool stalls; /* it doesn't read */
    bool ended;  /* it has said its FIN */
    bool heard_end;
    uint8_t *said, *heard; /* kept from life to life */
    size_t n_said, n_heard;
    size_t n_lost; /* of what it wanted to say, when it couldn't all be written: nothing more is said then */
};

/* A new life; zeroed before its first. */
void party_init(struct party *p, int fd);

void party_hear(struct party *p); /* all that has come, unless it stalls */
void party_say(struct party *p, const void *bytes, size_t n);
void party_say_some(struct party *p, struct fuzz_in *in); /* a choice tells how much of the input */
void party_flood(struct party *p, bool masked);           /* a frame larger than what is read at once */
void party_finish(struct party *p);
void party_reset(struct party *p);

/* That each has heard a beginning of what the other has said, and nothing else but, between two frames, a
 * Close. The heads before the stream are looked past. */
void party_check_websocket(const struct party *client, const struct party *backend);

/* That each has heard a beginning of what the other has said; `whole`: all of it and its end, unless one
 * stalls. */
void party_check_tcp(const struct party *a, const struct party *b, bool whole);

#endif
