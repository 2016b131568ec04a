#include "director/session_row.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "director/director_int.h"
#include "proto/close_reason.h"
#include "proto/conn_state.h"

const char *const session_row_columns[] = {
    "id",    "listener",   "pool",        "backend",      "state",    "source",    "host",   "path",
    "age_s", "duration_s", "messages_in", "messages_out", "bytes_in", "bytes_out", "worker", NULL};

static void backend_name(struct answer *a, const struct director *d, const struct conn_row *row)
{
    uint32_t slot = shm_id_slot(row->backend_id);
    const struct shm_backend *b = NULL;

    if (row->placed && slot < d->shm.max_backends && slot < shm_get32(&d->shm.supervisor->n_slots))
        b = shm_backend(&d->shm, slot);
    if (b && shm_get32(&b->generation) == shm_id_generation(row->backend_id))
        answer_str(a, "backend", b->name);
    else
        answer_null(a, "backend");
}

/* Host and path stand one behind the other; what didn't fit is marked. */
static void names(struct answer *a, const struct conn_row *row)
{
    size_t host = row->host_len, path = row->path_len;
    char text[CONN_ROW_NAMES + 4];

    if (host + path > CONN_ROW_NAMES)
        host = path = 0;
    if (host > 0)
        answer_str_n(a, "host", row->names, host);
    else
        answer_null(a, "host");
    if (path > 0 || row->names_cut) {
        memcpy(text, row->names + host, path);
        memcpy(text + path, "...", 3);
        answer_str_n(a, "path", text, path + (row->names_cut ? 3 : 0));
    } else {
        answer_null(a, "path");
    }
}

static uint64_t since_ms(uint64_t then_ms)
{
    uint64_t now_ms = clock_mono_ms();

    return now_ms > then_ms ? now_ms - then_ms : 0;
}

static void duration(struct answer *a, const char *key, uint64_t then_ms, uint64_t unit_ms)
{
    if (then_ms)
        answer_u64(a, key, since_ms(then_ms) / unit_ms);
    else
        answer_null(a, key);
}

static void in_common(struct answer *a, const struct director *d, const struct conn_row *row)
{
    char id[17], source[ADDRESS_TEXT_MAX];

    snprintf(id, sizeof id, "%016" PRIx64, row->id);
    address_ip_format(&row->client, true, source);
    answer_str(a, "id", id);
    answer_str(a, "listener",
               row->listener < d->config->n_listeners ? d->config->listeners[row->listener].name : NULL);
    answer_str(a, "pool", row->pool < d->config->n_pools ? d->config->pools[row->pool].name : NULL);
    backend_name(a, d, row);
    answer_str(a, "state", conn_state_name(row->state));
    answer_str(a, "source", source);
    names(a, row);
    duration(a, "age_s", row->opened_ms, 1000);
    duration(a, "duration_s", row->relay_ms, 1000);
    answer_u64(a, "messages_in", row->side[0].messages);
    answer_u64(a, "messages_out", row->side[1].messages);
    answer_u64(a, "bytes_in", row->side[0].bytes);
    answer_u64(a, "bytes_out", row->side[1].bytes);
}

void session_row_list(struct answer *a, const struct director *d, uint32_t seat, const struct conn_row *row)
{
    answer_row(a);
    in_common(a, d, row);
    answer_u64(a, "worker", seat);
    answer_row_end(a);
}

static void side(struct answer *a, const char *key, const struct conn_row_side *s)
{
    answer_open(a, key);
    answer_u64(a, "messages", s->messages);
    answer_u64(a, "bytes", s->bytes);
    answer_u64(a, "discarded_bytes", s->discarded);
    answer_u64(a, "silent_ms", (uint32_t)clock_mono_ms() - s->last_ms);
    answer_bool(a, "fin", s->eof);
    answer_bool(a, "reset", s->reset);
    answer_bool(a, "close_seen", s->closed);
    answer_bool(a, "told", s->told);
    answer_bool(a, "fin_sent", s->fin_sent);
    answer_bool(a, "dead", s->dead);
    answer_close(a);
}

static void u64_or_null(struct answer *a, const char *key, uint64_t value)
{
    if (value)
        answer_u64(a, key, value);
    else
        answer_null(a, key);
}

void session_row_whole(struct answer *a, const struct director *d, uint32_t seat, const struct conn_row *row)
{
    answer_row(a);
    in_common(a, d, row);
    answer_str(a, "protocol", row->websocket ? "websocket" : "tcp");
    u64_or_null(a, "status", row->status);
    answer_u64(a, "retries", row->retries);
    answer_str(a, "close_reason", row->reason ? close_reason_name((enum close_reason)row->reason) : NULL);
    u64_or_null(a, "close_code", row->close_code);
    side(a, "client", &row->side[0]);
    side(a, "backend_side", &row->side[1]);
    answer_u64(a, "worker", seat);
    answer_row_end(a);
}
