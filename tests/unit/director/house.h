/* A house for a director: a process that runs director_main, and the test in the place of the supervisor and
 * of every worker. The test writes the shared tables, hands channels over, sees what is asked and answers. */
#ifndef HOUSE_H
#define HOUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/channel.h"
#include "shm/table.h"

#define HOUSE_WORKERS 3u /* seats 0 to 2; a fourth seat is empty */
#define HOUSE_SEATS   4u

struct house {
    pid_t pid;      /* of the director */
    int supervisor; /* our ends */
    int peers[HOUSE_SEATS];
    int err; /* what it writes to stderr; the reading end of a pipe */
    char dir[64], path[96];
    struct shm shm;           /* all writable */
    int fds[3 + HOUSE_SEATS]; /* config, supervisor's and director's segment, the seats */
    int listener;
};

/* A received message; what has no body is zero. */
struct house_msg {
    union {
        struct msg head;
        uint64_t packet[MSG_BYTES_MAX / sizeof(uint64_t)];
    };
    size_t n;
};

extern const char house_config[];

/* Makes everything and starts the director, without a word to it. */
void house_make(struct house *h);
/* HELLO, SEGMENTS, SOCKETS, START; returns when it is READY. */
void house_start(struct house *h);
/* Single steps of it; config is what HELLO carries. */
void house_hello(struct house *h, const char *config);
void house_segments(struct house *h);
void house_sockets(struct house *h);

/* A new channel for a seat; our end is h->peers[seat]. */
void house_peer(struct house *h, uint32_t seat);

/* Backend `name` in pool 0; returns its id. */
uint64_t house_backend(struct house *h, const char *name);

void house_send(int channel, enum msg_type type, uint64_t serial, const void *body, size_t n);
/* Waits for the next message; fails the test when the channel ends or nothing comes. */
void house_recv(int channel, struct house_msg *m);
/* Whether a message is there now. */
bool house_has_message(int channel);
/* Waits until the channel has ended, dropping messages. */
void house_wait_end(int channel);
void house_done(int channel, uint64_t serial, bool ok, const char *text);

/* A client: connects, and reads until the other side closes (the text is freed by house_end). */
int house_connect(struct house *h);
void house_say(int client, const char *text);
void house_say_n(int client, const void *bytes, size_t n);
const char *house_hear(int client);        /* up to the end, which it must be, and closes */
const char *house_hear_answer(int client); /* up to an empty line */
const char *house_ask(struct house *h, const char *line);

/* What is in its stderr by now, up to and with `until`. */
const char *house_stderr(struct house *h, const char *until);

/* Its exit status; -1 when a signal has ended it. */
int house_wait_exit(struct house *h);
void house_end(struct house *h); /* QUIT, and it must leave with 0 */

#endif
