/* One client of the admin socket. Its line's commands run one after the other, each when the answer before it
 * has gone out, and one in a turn of the loop. */
#ifndef DIRECTOR_ADMIN_CONN_H
#define DIRECTOR_ADMIN_CONN_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "director/admin_server.h"
#include "director/command.h"
#include "director/text.h"
#include "proto/admin_line.h"

struct admin_conn {
    struct admin *server;
    struct admin_conn *next, *prev;
    ev_io in, out;
    ev_timer timer; /* of what it waits for */
    ev_timer turn;  /* brings the next command */
    struct command command;
    struct text answer; /* being sent, from `sent` on */
    size_t sent;
    uint64_t since_ms; /* it has made no progress */
    size_t in_len;
    size_t discarded;
    char *rest; /* of the line, behind the commands that have run; NULL: no line */
    bool said;  /* a command of this line has run */
    bool prompt, eof, gone, closing, overflow;
    char bytes[ADMIN_LINE_MAX + 2]; /* read and not taken yet: a line, CR and LF */
    char line[ADMIN_LINE_MAX + 1];
};

/* Takes the descriptor. false: memory was refused, and it is closed. */
bool admin_conn_new(struct admin *s, int fd);
void admin_conn_free(struct admin_conn *c);

#endif
