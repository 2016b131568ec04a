#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static bool inside(const void *p, size_t n, const void *base, size_t bytes)
{
    return (const char *)p >= (const char *)base && (const char *)p + n <= (const char *)base + bytes;
}

/* Every part lies in its segment, apart from all others, and arrays begin on a cache line. */
static void layout_of(uint32_t backends, uint32_t listeners)
{
    struct fixture *f = fixture_new(backends, listeners, 1);
    struct shm *s = &f->shm;
    struct shm_seat *seat = s->seats[0], *retired = shm_retired(s);
    size_t supervisor_bytes = shm_supervisor_bytes(backends, listeners);
    size_t seat_bytes = shm_seat_bytes(backends, listeners);

    assert_int_equal((uintptr_t)retired % 64, 0);
    assert_true((char *)retired >= (char *)(s->supervisor + 1));
    assert_true(inside(retired, seat_bytes, s->supervisor, supervisor_bytes));
    for (uint32_t i = 0; i < backends; i++) {
        struct shm_backend *b = shm_backend(s, i);
        struct shm_health *h = shm_health(s, i);
        assert_true((char *)b >= (char *)(s->supervisor + 1) && (char *)(b + 1) <= (char *)retired);
        assert_true((char *)h >= (char *)(s->director + 1));
        assert_true(inside(h, sizeof *h, s->director, shm_director_bytes(backends)));
        for (int row = 0; row < 2; row++) {
            struct shm_seat *at = row ? retired : seat;
            struct shm_backend_cell *c = shm_backend_cell(s, at, i);
            assert_true(inside(c, sizeof *c, at, seat_bytes));
            if (listeners)
                assert_true((char *)c >= (char *)(shm_listener_cell(s, at, listeners - 1) + 1));
            if (i)
                assert_ptr_equal(c, shm_backend_cell(s, at, i - 1) + 1);
        }
        if (i) {
            assert_ptr_equal(b, shm_backend(s, i - 1) + 1);
            assert_ptr_equal(h, shm_health(s, i - 1) + 1);
        }
    }
    for (uint32_t i = 0; i < listeners; i++) {
        struct shm_listener_cell *c = shm_listener_cell(s, seat, i);
        assert_true((char *)c >= (char *)(seat + 1) && inside(c, sizeof *c, seat, seat_bytes));
        if (i)
            assert_ptr_equal(c, shm_listener_cell(s, seat, i - 1) + 1);
    }
    if (backends) {
        assert_int_equal((uintptr_t)shm_backend(s, 0) % 64, 0);
        assert_int_equal((uintptr_t)shm_health(s, 0) % 64, 0);
        assert_int_equal((uintptr_t)shm_backend_cell(s, seat, 0) % 64, 0);
        assert_int_equal((uintptr_t)shm_backend_cell(s, retired, 0) % 64, 0);
    }
    if (listeners)
        assert_int_equal((uintptr_t)shm_listener_cell(s, seat, 0) % 64, 0);
    for (int row = 0; row < 2; row++) {
        struct shm_seat *at = row ? retired : seat;
        struct shm_pool_cell *first = shm_pool_cell(s, at, 0),
                             *last = shm_pool_cell(s, at, SHM_POOLS_MAX - 1);
        const void *before = at + 1;
        if (listeners)
            before = shm_listener_cell(s, at, listeners - 1) + 1;
        if (backends)
            before = shm_backend_cell(s, at, backends - 1) + 1;
        assert_int_equal((uintptr_t)first % 64, 0);
        assert_true((const char *)first >= (const char *)before &&
                    inside(last, sizeof *last, at, seat_bytes));
        assert_ptr_equal(last, first + SHM_POOLS_MAX - 1);
        assert_null(shm_pool_cell(s, at, SHM_POOLS_MAX));
    }
    assert_null(shm_backend(s, backends));
    assert_null(shm_health(s, backends));
    assert_null(shm_backend_cell(s, seat, backends));
    assert_null(shm_listener_cell(s, seat, listeners));
    assert_null(shm_listener_cell(s, seat, UINT32_MAX));
    fixture_free(f);
}

static void layout(void **state)
{
    (void)state;
    layout_of(0, 0);
    layout_of(1, 1);
    layout_of(7, 3);
    layout_of(1024, 16);
}

/* The sizes of the largest counts aren't wrapped ones. */
static void sizes(void **state)
{
    (void)state;
    size_t max = UINT32_MAX;
    assert_true(shm_seat_bytes(UINT32_MAX, UINT32_MAX) >
                max * (sizeof(struct shm_backend_cell) + sizeof(struct shm_listener_cell)));
    assert_true(shm_director_bytes(UINT32_MAX) > max * sizeof(struct shm_health));
    assert_true(shm_supervisor_bytes(UINT32_MAX, UINT32_MAX) >
                max * sizeof(struct shm_backend) + shm_seat_bytes(UINT32_MAX, UINT32_MAX));
}

/* Statuses that aren't in the list are one number. */
static void codes(void **state)
{
    (void)state;
    for (unsigned c = 0; c < SHM_CODE_OTHER; c++) {
        int status = atoi(shm_code_name((enum shm_code)c));
        assert_in_range(status, 100, 599);
        assert_int_equal(shm_code(status), c);
    }
    assert_int_equal(shm_code(101), SHM_CODE_101);
    assert_string_equal(shm_code_name(SHM_CODE_OTHER), "other");
    assert_string_equal(shm_code_name(SHM_CODE_COUNT), "unknown");
    assert_int_equal(shm_code(0), SHM_CODE_OTHER);
    assert_int_equal(shm_code(418), SHM_CODE_OTHER);
    assert_int_equal(shm_code(599), SHM_CODE_OTHER);
}

static void make(void **state)
{
    struct stat st;
    char zero[100] = {0}, one = 1, got[100];
    (void)state;
    int fd = shm_make("wslb-test", 100);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, 100);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(read(fd, got, sizeof got), sizeof got);
    assert_memory_equal(got, zero, sizeof zero);

    assert_int_equal(ftruncate(fd, 99), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 101), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(pwrite(fd, &one, 1, 100), -1);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    close(fd);

    assert_int_equal(shm_make("wslb-test", 0), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(shm_make("wslb-test", SIZE_MAX), -1);
    assert_int_equal(errno, EINVAL);
}

static void map(void **state)
{
    (void)state;
    int fd = shm_make("wslb-test", 5000);
    assert_true(fd >= 0);
    static const size_t WRONG[] = {0, 1, 4096, 4999, 5001, 8192, SIZE_MAX};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        errno = 0;
        assert_null(shm_map(fd, WRONG[i], false));
        assert_int_equal(errno, EINVAL);
    }
    char *w = shm_map(fd, 5000, true), *r = shm_map(fd, 5000, false);
    assert_non_null(w);
    assert_non_null(r);
    w[4999] = 'x';
    assert_int_equal(r[4999], 'x');
    munmap(w, 5000);
    munmap(r, 5000);
    close(fd);
    assert_null(shm_map(fd, 5000, false));
    assert_int_equal(errno, EBADF);
}

/* What a process that may only read is given can't be made writable again. */
static void read_only(void **state)
{
    (void)state;
    int fd = shm_make("wslb-test", 4096), ro = shm_readonly(fd);
    assert_true(fd >= 0 && ro >= 0);
    assert_true(fcntl(ro, F_GETFD) & FD_CLOEXEC);
    char *w = shm_map(fd, 4096, true), *r = shm_map(ro, 4096, false);
    assert_non_null(w);
    assert_non_null(r);
    w[7] = 'y';
    assert_int_equal(r[7], 'y');
    assert_null(shm_map(ro, 4096, true));
    assert_int_equal(errno, EACCES);
    assert_int_equal(mprotect(r, 4096, PROT_READ | PROT_WRITE), -1);
    assert_int_equal(write(ro, "z", 1), -1);
    munmap(w, 4096);
    munmap(r, 4096);
    close(fd);
    close(ro);
    assert_int_equal(shm_readonly(ro), -1);
    assert_int_equal(shm_readonly(-1), -1);
}

static void init(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(5, 2, 3);
    const struct shm_supervisor *v = f->shm.supervisor;
    assert_int_equal(v->version, SHM_VERSION);
    assert_int_equal(shm_retired(&f->shm)->version, SHM_VERSION);
    assert_int_equal(v->max_backends, 5);
    assert_int_equal(v->n_listeners, 2);
    assert_int_equal(v->n_seats, 3);
    assert_int_equal(shm_get(&v->started_ms), 11);
    assert_int_equal(shm_get(&v->started_real_ms), 12);
    assert_int_equal(shm_get(&v->generation), 1);
    assert_int_equal(shm_get32(&v->n_slots), 0);
    fixture_free(f);
}

static void add(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(2, 1, 1);
    struct shm *s = &f->shm;
    struct shm_backend row = {.pool = 9, .backup = true};
    char err[100];
    memset(row.name, 'n', sizeof row.name);
    assert_true(address_parse("10.1.2.3:4567", false, &row.address, err, sizeof err));
    shm_set32(&row.weight, 7);
    shm_set32(&row.admin_state, SHM_STATE_DRAIN);
    shm_set(&row.max_connections, 1234);
    shm_set32(&row.generation, 99); /* isn't taken */

    uint64_t epoch = shm_epoch(s);
    assert_int_equal(shm_backend_add(s, &row), shm_backend_id(0, 1));
    assert_true(shm_epoch(s) > epoch);
    assert_int_equal(shm_get32(&s->supervisor->n_slots), 1);
    const struct shm_backend *b = shm_backend(s, 0);
    assert_int_equal(shm_generation(b), 1);
    assert_int_equal(b->pool, 9);
    assert_true(b->backup);
    assert_int_equal(strlen(b->name), SHM_NAME_MAX - 1);
    assert_true(address_equal(&b->address, &row.address));
    assert_int_equal(shm_get32(&b->weight), 7);
    assert_int_equal(shm_get32(&b->admin_state), SHM_STATE_DRAIN);
    assert_int_equal(shm_get(&b->max_connections), 1234);

    assert_int_equal(shm_backend_add(s, &row), shm_backend_id(1, 1));
    epoch = shm_epoch(s);
    assert_int_equal(shm_backend_add(s, &row), 0);
    assert_int_equal(shm_get32(&s->supervisor->n_slots), 2);
    assert_int_equal(shm_epoch(s), epoch);
    shm_touch(s);
    assert_true(shm_epoch(s) > epoch);
    fixture_free(f);
}

static void ids(void **state)
{
    (void)state;
    uint64_t id = shm_backend_id(UINT32_MAX, 0x12345678);
    assert_int_equal(shm_id_slot(id), UINT32_MAX);
    assert_int_equal(shm_id_generation(id), 0x12345678);
}

static void state_names(void **state)
{
    (void)state;
    assert_string_equal(shm_state_name(SHM_STATE_UP), "up");
    assert_string_equal(shm_state_name(SHM_STATE_STARTING), "starting");
    assert_string_equal(shm_state_name(SHM_STATE_DRAIN), "drain");
    assert_string_equal(shm_state_name(SHM_STATE_DOWN), "down");
    assert_string_equal(shm_state_name(SHM_STATE_MAINT), "maint");
    assert_string_equal(shm_state_name(SHM_STATE_COUNT), "unknown");
    assert_string_equal(shm_state_name((enum shm_state)65535), "unknown");
}

static void backend_state(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(2, 1, 1);
    struct shm *s = &f->shm;
    assert_int_equal(shm_backend_state(s, 0), SHM_STATE_MAINT); /* free */
    assert_int_equal(shm_backend_state(s, 2), SHM_STATE_MAINT); /* none */
    struct shm_backend *b = shm_backend(s, fixture_backend(f, "a"));
    struct shm_health *h = shm_health(s, 0);
    shm_set32(&h->generation, 1);
    for (uint32_t admin = 0; admin < SHM_STATE_COUNT; admin++)
        for (uint32_t check = 0; check < SHM_STATE_COUNT; check++)
            for (uint32_t agent = 0; agent < SHM_STATE_COUNT; agent++) {
                uint32_t gravest = admin > check ? admin : check;
                gravest = gravest > agent ? gravest : agent;
                shm_set32(&b->admin_state, admin);
                shm_set32(&h->check_state, check);
                shm_set32(&h->agent_state, agent);
                assert_int_equal(shm_backend_state(s, 0), gravest);
            }

    /* Said of the slot's last owner: not of this one. */
    shm_set32(&b->admin_state, SHM_STATE_UP);
    shm_set32(&h->check_state, SHM_STATE_DOWN);
    shm_set32(&h->generation, 2);
    assert_int_equal(shm_backend_state(s, 0), SHM_STATE_UP);
    /* A word that means nothing takes the backend out. */
    shm_set32(&h->generation, 1);
    shm_set32(&h->check_state, 77);
    assert_int_equal(shm_backend_state(s, 0), SHM_STATE_MAINT);

    struct shm without = *s;
    without.director = NULL;
    assert_null(shm_health(&without, 0));
    assert_int_equal(shm_backend_state(&without, 0), SHM_STATE_UP);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout),      cmocka_unit_test(sizes),         cmocka_unit_test(codes),
        cmocka_unit_test(make),        cmocka_unit_test(map),           cmocka_unit_test(read_only),
        cmocka_unit_test(init),        cmocka_unit_test(add),           cmocka_unit_test(ids),
        cmocka_unit_test(state_names), cmocka_unit_test(backend_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
