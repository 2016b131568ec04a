/* What a director is made of; included by the files of this room only. */
#ifndef DIRECTOR_DIRECTOR_INT_H
#define DIRECTOR_DIRECTOR_INT_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "director/admin_server.h"
#include "director/ask.h"
#include "director/log_out.h"
#include "director/peers.h"
#include "director/sessions.h"
#include "net/channel_io.h"
#include "shm/table.h"

struct director {
    struct ev_loop *loop;
    struct channel_io supervisor;
    struct msg_hello hello;
    struct config *config;
    char *config_text; /* what it was read from */
    size_t config_len;
    struct shm shm;
    struct peers peers;
    struct asks asks;
    struct session_queries sessions;
    struct admin admin;
    struct log_out log;
    ev_timer beat;
    bool greeted, started, left;
    int status; /* to exit with */
};

#endif
