/* A row that every check takes, for inputs that are laid over it: seeds stay good when the row's layout
 * changes. */
#ifndef TESTS_FUZZ_GOOD_ROW_H
#define TESTS_FUZZ_GOOD_ROW_H

#include "fuzz.h"
#include "proto/conn_row.h"
#include "proto/conn_state.h"

static inline struct conn_row good_row(void)
{
    static const char host[] = "example.com", path[] = "/chat";
    struct conn_row r;

    memset(&r, 0, sizeof r);
    r.id = 0x1f;
    r.opened_ms = 100;
    r.relay_ms = 200;
    r.backend_id = (uint64_t)1 << 32;
    r.client = (struct address_ip){.family = 4, .port = 5000, .ip = {10, 0, 0, 1}};
    r.state = CONN_RELAY;
    r.placed = r.websocket = r.opened = 1;
    r.status = 101;
    r.host_len = sizeof host - 1;
    r.path_len = sizeof path - 1;
    memcpy(r.names, host, sizeof host - 1);
    memcpy(r.names + sizeof host - 1, path, sizeof path - 1);
    ws_frame_init(&r.side[0].frame, true);
    ws_frame_init(&r.side[1].frame, false);
    return r;
}

/* Takes bytes of the input and changes what is at `to` by them (XOR): no byte, or zeros, leave it as it is.
 */
static inline void lay_over(void *to, size_t n, struct fuzz_in *in)
{
    uint8_t *at = to;

    n = n < in->n ? n : in->n;
    for (size_t i = 0; i < n; i++)
        at[i] ^= in->at[i];
    in->at += n;
    in->n -= n;
}

#endif
