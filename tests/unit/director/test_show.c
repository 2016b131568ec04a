/* What the director shows of the shared tables and the configuration. */
#include "director/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "house.h"
#include "look.h"
#include "proto/close_reason.h"

static struct house h;

static int set_up(void **state)
{
    (void)state;
    house_start(&h);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    house_end(&h);
    return 0;
}

static json_t *ask_json(const char *line)
{
    return look_json(house_ask(&h, line));
}

static void info_adds_up_the_workers(void **state)
{
    (void)state;
    for (uint32_t seat = 0; seat < 2; seat++) {
        struct shm_seat *s = h.shm.seats[seat];
        house_peer(&h, seat);
        shm_set(&s->heap_bytes, 1000);
        for (uint32_t i = 0; i < 2; i++) {
            struct shm_listener_cell *l = shm_listener_cell(&h.shm, s, i);
            shm_set(&l->open, 2);
            shm_set(&l->connections, 3);
            shm_set(&l->opened_total, 10);
            shm_set(&l->accepted_total, 20);
            shm_set(&l->ended[CLOSE_REASON_client], 7);
            shm_set(&l->ended[CLOSE_REASON_bad_head], 5);
        }
    }
    struct shm_listener_cell *retired = shm_listener_cell(&h.shm, shm_retired(&h.shm), 0);
    shm_set(&retired->opened_total, 100);
    shm_set(&retired->ended[CLOSE_REASON_worker_died], 1);
    json_t *info = ask_json("json show info");
    assert_string_equal(look_string(info, "version"), WSLB_VERSION);
    assert_int_equal(look_number(info, "pid"), getpid());
    assert_int_equal(look_number(info, "director_pid"), h.pid);
    assert_true(look_number(info, "uptime_s") >= 0);
    assert_int_equal(look_number(info, "workers"), HOUSE_WORKERS);
    assert_int_equal(look_number(info, "generation"), 1);
    assert_int_equal(look_number(info, "connections"), 8);
    assert_int_equal(look_number(info, "connections_total"), 140);
    assert_int_equal(look_number(info, "handshakes_total"), 140);
    assert_int_equal(look_number(info, "heap_bytes"), 2000);
    assert_int_equal(look_number(info, "heap_bytes_per_connection"), 250);
    const json_t *closed = json_object_get(info, "closed"), *rejected = json_object_get(info, "rejected");
    assert_int_equal(look_number(closed, "client"), 28);
    assert_int_equal(look_number(closed, "worker_died"), 1);
    assert_int_equal(look_number(rejected, "bad_head"), 20);
    assert_null(json_object_get(rejected, "client"));
    assert_int_equal(json_object_size(closed) + json_object_size(rejected), CLOSE_REASON_COUNT - 1);
    json_decref(info);
    json_t *listeners = ask_json("json show listeners");
    const json_t *raw = json_array_get(listeners, 1);
    assert_string_equal(look_string(raw, "name"), "raw");
    assert_string_equal(look_string(raw, "protocol"), "tcp");
    assert_int_equal(json_array_size(json_object_get(raw, "bind")), 2);
    assert_int_equal(look_number(raw, "connections"), 4);
    assert_int_equal(look_number(raw, "handshaking"), 2);
    assert_int_equal(look_number(raw, "accepted_total"), 40);
    assert_int_equal(look_number(raw, "rejected_total"), 10);
    assert_int_equal(look_number(raw, "closed_total"), 14);
    json_decref(listeners);
}

static void backends_have_every_field(void **state)
{
    (void)state;
    static const char *const keys[] = {"name",
                                       "pool",
                                       "address",
                                       "state",
                                       "admin_state",
                                       "check_state",
                                       "agent_state",
                                       "reason",
                                       "weight",
                                       "effective_weight",
                                       "connections",
                                       "connections_total",
                                       "connections_peak",
                                       "connections_limit",
                                       "failures",
                                       "load",
                                       "load_age_ms",
                                       "metrics",
                                       "health",
                                       "agent",
                                       "drain",
                                       "answer_ms",
                                       "messages_in",
                                       "messages_out",
                                       "bytes_in",
                                       "bytes_out",
                                       "zone",
                                       "backup"};
    uint64_t id = house_backend(&h, "b1");
    struct shm_backend *b = shm_backend(&h.shm, shm_id_slot(id));

    house_peer(&h, 0);
    struct shm_backend_cell *cell = shm_backend_cell(&h.shm, h.shm.seats[0], shm_id_slot(id));
    shm_set32(&cell->generation, shm_id_generation(id));
    shm_set(&cell->connections, 3);
    shm_set(&cell->bytes_out, 99);
    json_t *list = ask_json("json show backends app");
    const json_t *row = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), 1);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_non_null(json_object_get(row, keys[i]));
    assert_int_equal(json_object_size(row), sizeof keys / sizeof keys[0]);
    assert_string_equal(look_string(row, "state"), "up");
    assert_string_equal(look_string(row, "admin_state"), "ready");
    assert_int_equal(look_number(row, "connections"), 3);
    assert_int_equal(look_number(row, "bytes_out"), 99);
    assert_true(json_is_null(json_object_get(row, "connections_limit")));
    assert_true(json_is_null(json_object_get(row, "reason")));
    assert_int_equal(json_object_size(json_object_get(row, "metrics")), 0);
    assert_int_equal(json_object_size(json_object_get(row, "health")), 5);
    assert_int_equal(json_object_size(json_object_get(row, "drain")), 4);
    json_decref(list);

    shm_set32(&b->admin_state, SHM_STATE_MAINT);
    shm_set(&b->max_connections, 12);
    json_t *one = ask_json("json show backend b1");
    assert_string_equal(look_string(one, "state"), "maint");
    assert_string_equal(look_string(one, "admin_state"), "maint");
    assert_string_equal(look_string(one, "reason"), "operator");
    assert_int_equal(look_number(one, "effective_weight"), 0);
    assert_int_equal(look_number(one, "connections_limit"), 12);
    assert_int_equal(look_number(one, "refused_total"), 0);
    json_decref(one);
    list = ask_json("json show backends other");
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    list = ask_json("json show pools");
    assert_int_equal(look_number(json_array_get(list, 0), "backends"), 1);
    assert_int_equal(look_number(json_array_get(list, 0), "usable"), 0);
    assert_string_equal(look_string(json_array_get(list, 1), "algorithm"), "round-robin");
    json_decref(list);
}

static const json_t *worker(const json_t *list, size_t i, const char *state)
{
    const json_t *row = json_array_get(list, i);

    assert_int_equal(look_number(row, "worker"), i);
    assert_string_equal(look_string(row, "state"), state);
    assert_int_equal(json_object_size(row), 8);
    return row;
}

static void workers_show_how_they_are(void **state)
{
    (void)state;
    house_peer(&h, 0);
    house_peer(&h, 1);
    shm_set(&h.shm.seats[0]->connections, 4);
    shm_set(&h.shm.seats[1]->heartbeat_ms, 1); /* long ago, unless the machine has just started */
    shm_set32(&h.shm.supervisor->restarts[1], 5);
    json_t *list = ask_json("json show workers");
    assert_int_equal(json_array_size(list), HOUSE_WORKERS);
    assert_int_equal(look_number(worker(list, 0, "up"), "connections"), 4);
    assert_int_equal(look_number(worker(list, 0, "up"), "pid"), 1000);
    assert_int_equal(look_number(worker(list, 1, "stuck"), "restarts"), 5);
    assert_true(look_number(worker(list, 1, "stuck"), "heartbeat_age_ms") > 2000);
    /* a seat that waits for its worker */
    assert_true(json_is_null(json_object_get(worker(list, 2, "starting"), "pid")));
    json_decref(list);
    shm_set32(&h.shm.seats[0]->state, SHM_SEAT_LEAVING);
    shm_set(&h.shm.seats[0]->heartbeat_ms, UINT64_MAX); /* not older than now */
    list = ask_json("json show workers");
    assert_int_equal(look_number(worker(list, 0, "leaving"), "heartbeat_age_ms"), 0);
    json_decref(list);
}

static void config_is_what_was_handed_over(void **state)
{
    (void)state;
    json_t *config = ask_json("json show config");

    assert_string_equal(look_string(config, "config"), house_config);
    json_decref(config);
    const char *answer = house_ask(&h, "show config");
    assert_null(strstr(answer, "\n\n"));
    assert_non_null(strstr(answer, "[listener raw]\nbind = 127.0.0.1:8081\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(info_adds_up_the_workers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(backends_have_every_field, set_up, tear_down),
        cmocka_unit_test_setup_teardown(workers_show_how_they_are, set_up, tear_down),
        cmocka_unit_test_setup_teardown(config_is_what_was_handed_over, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
