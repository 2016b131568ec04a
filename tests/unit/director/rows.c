#include "rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "proto/conn_state.h"

struct conn_row rows_make(const struct house *h, uint64_t id)
{
    struct conn_row r = {
        .id = id, .opened_ms = clock_mono_ms() - 5000, .listener = 0, .pool = 0, .state = CONN_RELAY};

    r.relay_ms = r.opened_ms + 1;
    r.client = (struct address_ip){.family = 4, .port = 5678, .ip = {10, 1, 2, 3}};
    r.backend_id = shm_backend_id(0, shm_get32(&shm_backend(&h->shm, 0)->generation));
    r.placed = r.websocket = r.opened = 1;
    memcpy(r.names, "example.com/chat", 16);
    r.host_len = 11;
    r.path_len = 5;
    r.side[0].messages = 3;
    r.side[1].bytes = 44;
    return r;
}

void rows_send(int channel, uint64_t serial, const struct conn_row *rows, uint32_t n)
{
    struct {
        struct msg_rows head;
        struct conn_row rows[ROWS_MAX];
    } body = {.head = {.n = n, .row_bytes = sizeof *rows}};

    assert_true(n <= ROWS_MAX);
    memcpy(body.rows, rows, n * sizeof *rows);
    house_send(channel, MSG_ROWS, serial, &body, sizeof body.head + n * sizeof *rows);
}

struct msg_sessions rows_question(int channel, uint64_t *serial)
{
    struct house_msg m;
    struct msg_sessions ask;

    house_recv(channel, &m);
    assert_int_equal(m.head.type, MSG_SESSIONS);
    *serial = m.head.serial;
    memcpy(&ask, msg_body(&m.head), sizeof ask);
    return ask;
}

void rows_none(int channel)
{
    uint64_t serial;

    rows_question(channel, &serial);
    house_done(channel, serial, true, "");
}
