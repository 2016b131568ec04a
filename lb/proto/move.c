#include "proto/move.h"

#include <string.h>

#include "proto/conn_state.h"

bool move_check(const struct msg *m, unsigned n_fds, const char **why)
{
    const struct msg_move *b = msg_body(m);
    *why = NULL;
    if (b->version != CONN_ROW_VERSION || b->row_bytes != sizeof(struct msg_move_row))
        *why = "rows of another version";
    else if (b->n == 0 || b->n > MOVE_BATCH_MAX || b->unsent > 1)
        *why = "a batch of a size that can't be";
    else if (m->bytes != sizeof *b + b->n * sizeof(struct msg_move_row))
        *why = "another number of rows than it says";
    else if (n_fds != 2 * b->n + b->unsent)
        *why = "another number of descriptors than it needs";
    return !*why;
}

static bool is_control(const struct ws_frame *f)
{
    return f->opcode >= WS_CLOSE && f->opcode <= WS_PONG;
}

/* Whether a whole or partial header of this size, with its mask or without, can hold the length. */
static bool head_check(const struct ws_frame *f)
{
    switch (f->head_size - (f->masked ? 4 : 0)) {
    case 2:
        return f->length <= 125;
    case 4:
        return f->length <= UINT16_MAX && !is_control(f);
    case 10:
        return f->length >> 63 == 0 && !is_control(f);
    default:
        return false;
    }
}

/* A payload of which nothing is left has ended, and a header that isn't whole has none yet: the tracker would
 * take the one for a new payload and the other for the payload's start. */
static bool frame_check(const struct ws_frame *f, bool masked)
{
    if (f->verdict != WS_FINE || f->masked != masked || f->opcode > 15)
        return false;
    if (f->head_got == 0)
        return f->left == 0;
    if (is_control(f) && !f->fin)
        return false;
    if (f->head_got == 1)
        return f->left == 0 && f->head_size == 2;
    if (f->head_got < f->head_size)
        return f->left == 0 && head_check(f);
    return f->head_got == f->head_size && head_check(f) && f->left > 0 && f->left <= f->length;
}

bool move_row_check(const struct msg_move_row *r, const char **why)
{
    const struct conn_row *c = &r->row;
    *why = NULL;
    if (c->id == 0 || c->state != CONN_RELAY || !c->placed || !c->opened)
        *why = "not of a relaying connection";
    else if (c->reason != 0)
        *why = "of a connection that is ending";
    else if ((unsigned)c->host_len + c->path_len > CONN_ROW_NAMES)
        *why = "names longer than there is room";
    else if (c->client.family != 0 && c->client.family != 1 && c->client.family != 4 && c->client.family != 6)
        *why = "a client of an unknown family";
    else if (c->websocket &&
             (!frame_check(&c->side[0].frame, true) || !frame_check(&c->side[1].frame, false)))
        *why = "a tracker that can't be";
    else if (c->side[0].reset || c->side[1].reset || c->side[0].told || c->side[1].told)
        *why = "a side that has been lost or told";
    else if (r->unsent_bytes[0] > MOVE_UNSENT_MAX || r->unsent_bytes[1] > MOVE_UNSENT_MAX)
        *why = "more bytes waiting than may";
    return !*why;
}

bool move_dictionary_check(const struct msg *m, const char **why)
{
    const struct msg_dictionary *d = msg_body(m);
    *why = NULL;
    if (d->n > MOVE_ENTRIES_MAX || m->bytes != sizeof *d + d->n * sizeof(struct msg_entry)) {
        *why = "another number of entries than it says";
        return false;
    }
    const struct msg_entry *e = move_entries(m);
    for (uint32_t i = 0; i < d->n && !*why; i++)
        if (e[i].kind > ENTRY_BACKEND)
            *why = "an entry of an unknown kind";
        else if (!memchr(e[i].name, 0, sizeof e[i].name))
            *why = "a name without an end";
        else if (e[i].address.len > sizeof e[i].address.un)
            *why = "an address longer than there is room";
    return !*why;
}
