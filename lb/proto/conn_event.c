#include "proto/conn_event.h"

#include <string.h>

/* `ended` and first_end are of the stream: whose Close or FIN was there first. A Close of ours comes only
 * after that, or in its place. */
static uint16_t first_close(const struct conn_row *r)
{
    const struct conn_row_side *client = &r->side[0], *backend = &r->side[1];
    uint16_t seen = r->ended ? r->side[r->first_end].frame.close_code : 0;

    if (seen)
        return seen;
    if (client->told || backend->told)
        return r->close_code;
    return client->frame.close_code ? client->frame.close_code : backend->frame.close_code;
}

void conn_event_of(struct conn_event *e, const struct conn_row *r, enum conn_event_kind kind, uint64_t now_ms)
{
    uint64_t since_ms = r->opened ? r->relay_ms : r->opened_ms;

    memset(e, 0, sizeof *e); /* padding leaves the process, too */
    e->at_ms = now_ms;
    e->id = r->id;
    e->backend_id = r->backend_id;
    e->duration_ms = now_ms > since_ms ? now_ms - since_ms : 0;
    for (int i = 0; i < 2; i++) {
        e->messages[i] = r->side[i].messages;
        e->bytes[i] = r->side[i].bytes;
    }
    e->client = r->client;
    e->connect_ms = r->connect_ms;
    e->queue_ms = r->backend_id ? 0 : CONN_NO_MS; /* a backend is chosen at once, or none is */
    e->handshake_ms = r->handshake_ms;
    e->listener = r->listener;
    e->pool = r->pool;
    e->retries = r->retries;
    e->status = r->websocket ? r->status : 0;
    e->close_code = first_close(r);
    e->reason = kind == CONN_OPENED ? 0 : r->reason;
    e->kind = (uint8_t)kind;
    e->websocket = r->websocket;
    e->host_len = r->host_len;
    e->path_len = r->path_len;
    e->names_cut = r->names_cut;
    memcpy(e->names, r->names, sizeof e->names);
}
