#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "proto/channel.h"

static const struct {
    enum msg_type type;
    const char *name;
    size_t min;
    unsigned fds;
} TYPES[] = {
#define X(name, way, body, fds, text) {MSG_##name, #name, body, fds},
    MSG_TYPES(X)
#undef X
};
#define N_TYPES (sizeof TYPES / sizeof TYPES[0])

/* Checks a message whose header says `bytes`, in a packet of n bytes that is exactly that long. */
static bool check(struct msg m, size_t n, unsigned n_fds, const char **why)
{
    unsigned char whole[sizeof m + MSG_BYTES_MAX] = {0};
    memcpy(whole, &m, sizeof m);
    void *packet = exact_copy(whole, n);
    bool ok = msg_check(packet, n, n_fds, why);
    free(packet);
    if (ok)
        assert_null(*why);
    else
        assert_true(*why && **why);
    return ok;
}

static bool is_fine(struct msg m, size_t n, unsigned n_fds)
{
    const char *why = "left from before";
    return check(m, n, n_fds, &why);
}

static void is_refused(struct msg m, size_t n, unsigned n_fds, const char *want)
{
    const char *why = NULL;
    assert_false(check(m, n, n_fds, &why));
    assert_string_equal(why, want);
}

/* Each type with its least body, one byte less, more, and with too many descriptors. */
static void types(void **state)
{
    (void)state;
    assert_int_equal(N_TYPES, MSG_TYPE_COUNT - 1);
    for (size_t i = 0; i < N_TYPES; i++) {
        size_t min = TYPES[i].min;
        struct msg m = {.version = MSG_VERSION, .type = (uint16_t)TYPES[i].type, .bytes = (uint32_t)min};
        assert_true(sizeof m + min <= MSG_BYTES_MAX);
        assert_true(is_fine(m, sizeof m + min, 0));
        assert_true(is_fine(m, sizeof m + min, TYPES[i].fds));
        is_refused(m, sizeof m + min, TYPES[i].fds + 1, "with more descriptors than its type carries");
        m.bytes = (uint32_t)min + 100;
        assert_true(is_fine(m, sizeof m + min + 100, 0));
        m.bytes = (uint32_t)min - 1;
        if (min > 0)
            is_refused(m, sizeof m + min - 1, 0, "too short for its type");
    }
}

static void headers(void **state)
{
    (void)state;
    struct msg m = {.version = MSG_VERSION, .type = MSG_READY};
    for (size_t n = 0; n < sizeof m; n++)
        is_refused(m, n, 0, "shorter than a header");
    assert_true(is_fine(m, sizeof m, 0));

    static const uint16_t VERSIONS[] = {0, MSG_VERSION + 1, 0x100 * MSG_VERSION, UINT16_MAX};
    for (size_t i = 0; i < 4; i++) {
        m.version = VERSIONS[i];
        is_refused(m, sizeof m, 0, "of another version");
    }
    static const uint16_t UNKNOWN[] = {MSG_NONE, MSG_TYPE_COUNT, MSG_TYPE_COUNT + 1, UINT16_MAX};
    m.version = MSG_VERSION;
    for (size_t i = 0; i < 4; i++) {
        m.type = UNKNOWN[i];
        is_refused(m, sizeof m, 0, "of an unknown type");
    }
}

static void lengths(void **state)
{
    (void)state;
    struct msg m = {.version = MSG_VERSION, .type = MSG_FAILED};
    static const uint32_t SAID[] = {0, 9, 11, UINT32_MAX, UINT32_MAX - sizeof(struct msg) + 1};
    for (size_t i = 0; i < sizeof SAID / sizeof SAID[0]; i++) {
        m.bytes = SAID[i];
        is_refused(m, sizeof m + 10, 0, "not as long as it says");
    }
    m.bytes = 10;
    assert_true(is_fine(m, sizeof m + 10, 0));
    m.bytes = MSG_BYTES_MAX - sizeof m;
    assert_true(is_fine(m, MSG_BYTES_MAX, 0));
}

static void names(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_TYPES; i++) {
        assert_string_equal(msg_type_name((uint16_t)TYPES[i].type), TYPES[i].name);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(TYPES[i].name, TYPES[k].name);
    }
    assert_string_equal(msg_type_name(MSG_HELLO), "HELLO");
    assert_string_equal(msg_type_name(MSG_NONE), "unknown");
    assert_string_equal(msg_type_name(MSG_TYPE_COUNT), "unknown");
    assert_string_equal(msg_type_name(UINT16_MAX), "unknown");
}

static void text_behind(void **state)
{
    (void)state;
    union {
        struct msg m;
        uint64_t words[8];
        char bytes[64];
    } p = {.m = {.version = MSG_VERSION, .type = MSG_LOG, .bytes = sizeof(struct msg_log) + 5}};
    struct msg_log head = {.level = 2, .text_len = 5};
    size_t len = 99;
    memcpy(p.bytes + sizeof p.m, &head, sizeof head);
    memcpy(p.bytes + sizeof p.m + sizeof head, "hello", 5);
    assert_ptr_equal(msg_body(&p.m), p.bytes + sizeof p.m);
    assert_memory_equal(msg_body(&p.m), &head, sizeof head);
    const char *text = msg_text(&p.m, sizeof head, &len);
    assert_int_equal(len, 5);
    assert_memory_equal(text, "hello", 5);
    /* A body that ends with its struct, or before it, has no text. */
    p.m.bytes = sizeof head;
    msg_text(&p.m, sizeof head, &len);
    assert_int_equal(len, 0);
    p.m.bytes = sizeof head - 1;
    msg_text(&p.m, sizeof head, &len);
    assert_int_equal(len, 0);
}

/* Bytes drawn at random: refused or fine, never read beyond, and nothing fine that isn't a message. */
static void noise(void **state)
{
    (void)state;
    struct draw d = {7};
    unsigned fine = 0;
    for (unsigned i = 0; i < 200000; i++) {
        unsigned char whole[256];
        size_t n = draw(&d, sizeof whole);
        for (size_t k = 0; k < n; k++)
            whole[k] = (unsigned char)draw(&d, 256);
        struct msg m = {.version = (uint16_t)draw(&d, 3),
                        .type = (uint16_t)draw(&d, MSG_TYPE_COUNT + 2),
                        .bytes = (uint32_t)draw(&d, sizeof whole)};
        if (n >= sizeof m) {
            if (draw(&d, 2))
                m.bytes = (uint32_t)(n - sizeof m);
            memcpy(whole, &m, sizeof m);
        }
        void *packet = exact_copy(whole, n);
        unsigned n_fds = (unsigned)draw(&d, 3);
        const char *why;
        if (msg_check(packet, n, n_fds, &why)) {
            assert_true(n >= sizeof m && m.version == MSG_VERSION && m.bytes == n - sizeof m);
            assert_true(m.type > MSG_NONE && m.type < MSG_TYPE_COUNT);
            assert_true(m.bytes >= TYPES[m.type - 1].min && n_fds <= TYPES[m.type - 1].fds);
            fine++;
        }
        free(packet);
    }
    assert_true(fine > 1000);
}

/* The channel's packets are read in place: bodies lie where their structs may. */
static void layout(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct msg), 16);
    assert_true(_Alignof(struct conn_row) <= sizeof(uint64_t));
    assert_true(sizeof(struct msg) + sizeof(struct msg_rows) + sizeof(struct conn_row) <= MSG_BYTES_MAX);
    assert_int_equal(sizeof(struct msg_rows) % _Alignof(struct conn_row), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types),       cmocka_unit_test(headers), cmocka_unit_test(lengths),
        cmocka_unit_test(names),       cmocka_unit_test(noise),   cmocka_unit_test(layout),
        cmocka_unit_test(text_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
