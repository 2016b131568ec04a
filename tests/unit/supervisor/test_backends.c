#include "supervisor/backends.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_BACKENDS 3

static struct shm shm;

static int make_table(void **state)
{
    (void)state;
    memset(&shm, 0, sizeof shm);
    shm.max_backends = MAX_BACKENDS;
    shm.n_listeners = 1;
    shm.n_seats = 1;
    size_t bytes = shm_supervisor_bytes(MAX_BACKENDS, 1);
    int fd = shm_make("test", bytes);
    if (fd < 0)
        return -1;
    shm.supervisor = shm_map(fd, bytes, true);
    close(fd);
    if (!shm.supervisor)
        return -1;
    shm_init_supervisor(&shm, 1, 1);
    return 0;
}

static int drop_table(void **state)
{
    (void)state;
    return munmap(shm.supervisor, shm_supervisor_bytes(MAX_BACKENDS, 1));
}

static struct config_backend rows[] = {
    {.name = "a", .pool = 1, .weight = 3, .max_connections = 7, .state = CONFIG_STATE_READY},
    {.name = "b", .pool = 0, .weight = 0, .backup = true, .state = CONFIG_STATE_DRAIN},
    {.name = "a-name-of-47-bytes-aaaaaaaaaaaaaaaaaaaaaaaaaaaa", .weight = 256, .state = CONFIG_STATE_MAINT},
    {.name = "one-too-many", .weight = 1},
};

static bool fill(uint32_t n)
{
    struct address addresses[4];
    char err[128];
    for (uint32_t i = 0; i < n; i++)
        assert_true(
            address_parse(i == 1 ? "[::1]:9001" : "127.0.0.1:9000", false, &addresses[i], err, sizeof err));
    struct config c = {.backends = rows, .n_backends = n};
    struct resolved r = {.backends = addresses};
    return backends_fill(&shm, &c, &r);
}

static void test_fill(void **state)
{
    (void)state;
    char text[ADDRESS_TEXT_MAX];
    assert_true(fill(3));
    assert_int_equal(shm_get32(&shm.supervisor->n_slots), 3);
    const struct shm_backend *a = shm_backend(&shm, 0), *b = shm_backend(&shm, 1), *c = shm_backend(&shm, 2);
    assert_string_equal(a->name, "a");
    assert_int_equal(a->pool, 1);
    assert_int_equal(shm_get32(&a->weight), 3);
    assert_int_equal(shm_get(&a->max_connections), 7);
    assert_int_equal(shm_get32(&a->admin_state), SHM_STATE_UP);
    assert_false(a->backup);
    assert_true(b->backup);
    assert_int_equal(shm_get32(&b->weight), 0);
    assert_int_equal(shm_get32(&b->admin_state), SHM_STATE_DRAIN);
    address_format(&b->address, text);
    assert_string_equal(text, "[::1]:9001");
    assert_string_equal(c->name, rows[2].name);
    assert_int_equal(shm_get32(&c->admin_state), SHM_STATE_MAINT);
}

static void test_fill_over_the_brim(void **state)
{
    (void)state;
    assert_false(fill(4));
}

static char said[256];

static bool set(uint64_t id, enum msg_backend_field field, uint64_t value)
{
    struct msg_set_backend q = {.backend_id = id, .field = (uint32_t)field, .value = value};
    return backends_set(&shm, &q, said, sizeof said);
}

static uint64_t id_of(uint32_t slot)
{
    return shm_backend_id(slot, shm_get32(&shm_backend(&shm, slot)->generation));
}

static void test_set(void **state)
{
    (void)state;
    assert_true(fill(3));
    struct shm_backend *a = shm_backend(&shm, 0);
    uint64_t epoch = shm_get(&shm.supervisor->epoch);

    assert_true(set(id_of(0), BACKEND_STATE, SHM_STATE_DRAIN));
    assert_int_equal(shm_get32(&a->admin_state), SHM_STATE_DRAIN);
    assert_non_null(strstr(said, "a: operator's state up -> drain"));
    assert_true(set(id_of(0), BACKEND_STATE, SHM_STATE_MAINT));
    assert_true(set(id_of(0), BACKEND_STATE, SHM_STATE_UP));
    assert_int_equal(shm_get32(&a->admin_state), SHM_STATE_UP);

    assert_true(set(id_of(0), BACKEND_WEIGHT, 0));
    assert_true(set(id_of(0), BACKEND_WEIGHT, 256));
    assert_int_equal(shm_get32(&a->weight), 256);
    assert_non_null(strstr(said, "weight 0 -> 256"));

    assert_true(set(id_of(0), BACKEND_MAX_CONNECTIONS, UINT64_MAX));
    assert_int_equal(shm_get(&a->max_connections), UINT64_MAX);
    assert_true(set(id_of(0), BACKEND_MAX_CONNECTIONS, 0));
    assert_int_equal(shm_get(&a->max_connections), 0);

    /* Each change is seen by who compares the epoch. */
    assert_int_equal(shm_get(&shm.supervisor->epoch), epoch + 7);
}

static void test_what_is_refused_changes_nothing(void **state)
{
    (void)state;
    assert_true(fill(2));
    struct shm_backend before = *shm_backend(&shm, 0);
    uint64_t epoch = shm_get(&shm.supervisor->epoch);
    assert_false(set(id_of(0), BACKEND_STATE, SHM_STATE_DOWN));
    assert_false(set(id_of(0), BACKEND_STATE, SHM_STATE_STARTING));
    assert_false(set(id_of(0), BACKEND_STATE, UINT64_MAX));
    assert_false(set(id_of(0), BACKEND_WEIGHT, 257));
    assert_non_null(strstr(said, "0 to 256"));
    assert_false(set(id_of(0), BACKEND_WEIGHT, UINT64_C(1) << 32));
    assert_false(set(id_of(0), (enum msg_backend_field)99, 1));
    assert_memory_equal(&before, shm_backend(&shm, 0), sizeof before);
    assert_int_equal(shm_get(&shm.supervisor->epoch), epoch);
}

static void test_an_old_id_means_nobody(void **state)
{
    (void)state;
    assert_true(fill(2));
    assert_false(set(id_of(0) + (UINT64_C(1) << 32), BACKEND_WEIGHT, 1)); /* another generation */
    assert_false(set(shm_backend_id(0, 0), BACKEND_WEIGHT, 1));
    assert_false(set(shm_backend_id(2, 0), BACKEND_WEIGHT, 1)); /* a slot never used */
    assert_false(set(shm_backend_id(2, 1), BACKEND_WEIGHT, 1));
    assert_false(set(shm_backend_id(UINT32_MAX, 1), BACKEND_WEIGHT, 1));
    assert_non_null(strstr(said, "no such backend"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fill, make_table, drop_table),
        cmocka_unit_test_setup_teardown(test_fill_over_the_brim, make_table, drop_table),
        cmocka_unit_test_setup_teardown(test_set, make_table, drop_table),
        cmocka_unit_test_setup_teardown(test_what_is_refused_changes_nothing, make_table, drop_table),
        cmocka_unit_test_setup_teardown(test_an_old_id_means_nobody, make_table, drop_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
