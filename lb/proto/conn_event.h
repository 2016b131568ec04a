/* What happened to a connection, as a worker tells the director for the access log: a connection opened, was
 * rejected before it could, or ended after it had opened. Plain data like the row it is made from; indexes
 * are of the config in force. */
#ifndef PROTO_CONN_EVENT_H
#define PROTO_CONN_EVENT_H

#include <stdint.h>

#include "base/address.h"
#include "proto/conn_row.h"

enum conn_event_kind { CONN_OPENED, CONN_REJECTED, CONN_ENDED };

struct conn_event {
    uint64_t at_ms;       /* CLOCK_MONOTONIC */
    uint64_t id;          /* 0: it was refused without a row */
    uint64_t backend_id;  /* the last one chosen; 0: none was */
    uint64_t duration_ms; /* that it was open; of one that never was: since it was accepted */
    uint64_t messages[2]; /* read from the client, from the backend */
    uint64_t bytes[2];
    struct address_ip client;
    uint32_t connect_ms, queue_ms, handshake_ms; /* CONN_NO_MS: there was none */
    uint16_t listener, pool;
    uint16_t retries;
    uint16_t status;     /* 0: no answer was given */
    uint16_t close_code; /* of the first Close that was seen or sent; 0: none was */
    uint16_t reason;     /* enum close_reason; 0: it goes on */
    uint8_t kind;        /* enum conn_event_kind */
    uint8_t websocket;   /* else there are no messages and no status */
    uint8_t host_len, path_len;
    uint8_t names_cut;
    char names[CONN_ROW_NAMES]; /* host, then path without its query */
};

/* What a row says of it at now_ms. */
void conn_event_of(struct conn_event *e, const struct conn_row *r, enum conn_event_kind kind,
                   uint64_t now_ms);

#endif
