#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

#define MODEL_MAX (1u << 17)

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

static size_t refuse_above = SIZE_MAX;
static unsigned mallocs;

void *__wrap_malloc(size_t n)
{
    mallocs++;
    return n > refuse_above ? NULL : __real_malloc(n);
}

static void test_empty_is_null(void **state)
{
    (void)state;
    struct buffer *b = NULL;
    assert_int_equal(buffer_len(b), 0);
    assert_null(buffer_bytes(b));
    assert_true(buffer_append(&b, "", 0));
    assert_true(buffer_append(&b, NULL, 0));
    assert_true(buffer_reserve(&b, 0));
    assert_null(b);
    buffer_consume(&b, 5);
    buffer_free(&b);
    assert_null(b);
}

static void test_first_append_is_exact_and_consuming_frees(void **state)
{
    (void)state;
    struct buffer *b = NULL;
    assert_true(buffer_append(&b, "hello", 5));
    assert_int_equal(b->cap, 5);
    assert_memory_equal(buffer_bytes(b), "hello", 5);
    buffer_consume(&b, 2);
    assert_memory_equal(buffer_bytes(b), "llo", 3);
    buffer_consume(&b, 3);
    assert_null(b);
    assert_true(buffer_append(&b, "x", 1));
    buffer_consume(&b, 100);
    assert_null(b);
}

static void test_reserve_gives_room_behind_the_end(void **state)
{
    (void)state;
    struct buffer *b = NULL;
    assert_true(buffer_reserve(&b, 10));
    assert_int_equal(buffer_len(b), 0);
    memcpy(b->data + b->end, "0123456789", 10);
    b->end += 10;
    buffer_consume(&b, 8);
    assert_true(buffer_reserve(&b, 8)); /* fits once the two that wait have moved */
    assert_int_equal(b->cap, 10);
    assert_memory_equal(buffer_bytes(b), "89", 2);
    assert_true(b->cap - b->end >= 8);
    assert_true(buffer_reserve(&b, 9));
    assert_int_equal(b->cap, 15);
    buffer_consume(&b, 0);
    assert_int_equal(buffer_len(b), 2);
    buffer_free(&b);

    /* Reserved, nothing written: a consume of nothing gives the block back. */
    assert_true(buffer_reserve(&b, 10));
    buffer_consume(&b, 0);
    assert_null(b);
}

/* Anything appended, reserved and consumed at random is what a plain array would hold. */
static void test_random_against_an_array(void **state)
{
    (void)state;
    uint8_t *model = malloc(MODEL_MAX), chunk[4096];
    assert_non_null(model);
    size_t len = 0;
    struct buffer *b = NULL;
    struct rng r;
    rng_seed(&r, 3);
    for (int i = 0; i < 100000; i++) {
        size_t n = (size_t)rng_below(&r, rng_below(&r, 4) ? 64 : sizeof chunk);
        if (rng_below(&r, 2) && len + n <= MODEL_MAX) {
            for (size_t k = 0; k < n; k++)
                chunk[k] = (uint8_t)rng_next(&r);
            if (rng_below(&r, 2)) {
                assert_true(buffer_append(&b, chunk, n));
            } else if (n > 0) {
                assert_true(buffer_reserve(&b, n));
                memcpy(b->data + b->end, chunk, n);
                b->end += (uint32_t)n;
            }
            memcpy(model + len, chunk, n);
            len += n;
        } else {
            buffer_consume(&b, n);
            size_t gone = n < len ? n : len;
            memmove(model, model + gone, len - gone);
            len -= gone;
        }
        assert_int_equal(buffer_len(b), len);
        assert_int_equal(b == NULL, len == 0);
        if (len > 0) {
            size_t part = i % 64 && len > 64 ? 64 : len; /* all of it now and then, the ends each time */
            assert_memory_equal(buffer_bytes(b), model, part);
            assert_memory_equal(buffer_bytes(b) + len - part, model + len - part, part);
            assert_true(b->end <= b->cap);
        }
    }
    buffer_free(&b);
    free(model);
}

static void test_growth_is_amortised(void **state)
{
    (void)state;
    struct buffer *b = NULL;
    mallocs = 0;
    for (int i = 0; i < 1000000; i++)
        assert_true(buffer_append(&b, "x", 1));
    assert_true(mallocs < 50);
    assert_true(b->cap < 1600000);
    buffer_free(&b);
}

/* A peer that takes a byte at a time from a full buffer doesn't make us move the whole for each. */
static void test_moving_is_amortised(void **state)
{
    (void)state;
    enum { FULL = 65536, ROUNDS = 1000000 };
    static const uint8_t zeros[FULL];
    struct buffer *b = NULL;
    uint64_t moved = 0;
    assert_true(buffer_append(&b, zeros, FULL));
    for (int i = 0; i < ROUNDS; i++) {
        buffer_consume(&b, 1);
        uint32_t start = b->start;
        assert_true(buffer_append(&b, "x", 1));
        if (b->start < start)
            moved += FULL;
    }
    assert_true(moved <= 6u * ROUNDS);
    assert_true(b->cap <= FULL * 3 / 2);
    buffer_free(&b);
}

static void test_refused_memory_changes_nothing(void **state)
{
    (void)state;
    struct buffer *b = NULL;
    refuse_above = 0;
    assert_false(buffer_append(&b, "hello", 5));
    assert_null(b);
    refuse_above = SIZE_MAX;
    assert_true(buffer_append(&b, "hello", 5));
    buffer_consume(&b, 1);
    struct buffer *before = b;
    refuse_above = 0;
    assert_false(buffer_append(&b, "0123456789", 10));
    assert_ptr_equal(b, before);
    assert_int_equal(buffer_len(b), 4);
    assert_memory_equal(buffer_bytes(b), "ello", 4);
    /* What fits without more memory still goes. */
    assert_true(buffer_append(&b, "!", 1));
    assert_memory_equal(buffer_bytes(b), "ello!", 5);

    /* Half as much again is refused, just enough isn't. */
    uint8_t bytes[1000] = {0};
    refuse_above = SIZE_MAX;
    assert_true(buffer_append(&b, bytes, sizeof bytes));
    refuse_above = sizeof *b + 1010;
    assert_true(buffer_append(&b, "12345", 5));
    assert_int_equal(buffer_len(b), 1010);
    refuse_above = SIZE_MAX;
    buffer_free(&b);
}

static void test_no_more_than_a_gibibyte(void **state)
{
    (void)state;
    struct buffer *b = NULL;
    assert_false(buffer_reserve(&b, (1u << 30) + 1u));
    assert_false(buffer_reserve(&b, SIZE_MAX));
    assert_null(b);
    assert_true(buffer_append(&b, "x", 1));
    assert_false(buffer_reserve(&b, 1u << 30));
    assert_false(buffer_reserve(&b, SIZE_MAX));
    assert_false(buffer_reserve(&b, SIZE_MAX - 1));
    assert_int_equal(buffer_len(b), 1);
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_is_null),
        cmocka_unit_test(test_first_append_is_exact_and_consuming_frees),
        cmocka_unit_test(test_reserve_gives_room_behind_the_end),
        cmocka_unit_test(test_random_against_an_array),
        cmocka_unit_test(test_growth_is_amortised),
        cmocka_unit_test(test_moving_is_amortised),
        cmocka_unit_test(test_refused_memory_changes_nothing),
        cmocka_unit_test(test_no_more_than_a_gibibyte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
