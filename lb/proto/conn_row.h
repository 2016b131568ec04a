/* A connection as a row of plain data: what a worker knows of it that must outlive the worker. It holds ids
 * and no pointers, times are CLOCK_MONOTONIC, and with its two sockets it can be lifted out of one process
 * and set down in another. Slots mean something only beside the table they index, so whoever carries rows
 * elsewhere sends a dictionary before them. The layout is fixed by CONN_ROW_VERSION: a change of the struct
 * is a new version. */
#ifndef PROTO_CONN_ROW_H
#define PROTO_CONN_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "proto/ws_frame.h"

#define CONN_ROW_VERSION 2
#define CONN_ROW_NAMES   128 /* bytes for host and path together */
#define CONN_NO_SLOT     UINT32_MAX
#define CONN_NO_MS       UINT32_MAX /* of a time that isn't known */

/* One endpoint. The counts are of what was read from it. */
struct conn_row_side {
    struct ws_frame frame;
    uint64_t bytes;
    uint64_t messages;
    uint64_t discarded; /* bytes read and not passed on, after a Close of ours */
    uint32_t last_ms;   /* when it last said something, low 32 bits */
    uint8_t eof : 1;    /* its FIN has been read */
    uint8_t reset : 1;  /* it was lost by RST or an error */
    uint8_t closed : 1; /* a complete Close of its own was read */
    uint8_t told : 1;   /* it has been sent a Close by us */
    uint8_t fin_sent : 1;
    uint8_t dead : 1; /* writing to it failed: what is meant for it is thrown away */
};

struct conn_row {
    uint64_t id;
    uint64_t opened_ms;  /* accepted */
    uint64_t relay_ms;   /* set up: the 101 was passed on; 0 before */
    uint64_t backend_id; /* slot and generation (shm/table.h); valid when placed */
    struct address_ip client;
    uint16_t listener; /* indexes of the config it was accepted under */
    uint16_t pool;
    uint8_t state;      /* enum conn_state */
    uint8_t placed : 1; /* holds a place on its backend */
    uint8_t websocket : 1;
    uint8_t opened : 1;    /* has been in RELAY */
    uint8_t ended : 1;     /* one side has sent its Close or its FIN … */
    uint8_t first_end : 1; /* … and this one was first: 0 the client, 1 the backend */
    uint8_t names_cut : 1; /* host and path were longer */
    uint16_t close_code;   /* of the Close we have sent or will send; 0: none */
    uint16_t reason;       /* enum close_reason, once decided */
    uint16_t retries;      /* connects to another backend after one that failed */
    uint16_t status;       /* what the client was answered; 0: nothing yet */
    uint8_t host_len, path_len;
    uint32_t since_ms;            /* when the first FIN came or RESET began, low 32 bits */
    uint32_t connect_ms;          /* the connect to its backend took; CONN_NO_MS: there was none */
    uint32_t handshake_ms;        /* from the head's first byte to the 101; CONN_NO_MS: there was none */
    char names[CONN_ROW_NAMES];   /* host, then path */
    struct conn_row_side side[2]; /* client, backend */
};

#endif
