#include "base/timer_wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/rng.h"

#define TIMERS 200

/* The naive list: each timer's deadline stands beside it, and every question is answered by a look at all. */
struct item {
    struct timer timer;
    bool set;
    bool set_in_fire; /* must not fire in the run that is going on */
    uint64_t at_ms;
};

struct model {
    struct timer_wheel wheel;
    struct item items[TIMERS];
    struct rng rng;
    uint64_t now_ms;
    uint64_t fired;
    bool running;
};

static uint64_t due_tick(uint64_t at_ms)
{
    return at_ms / TIMER_WHEEL_TICK_MS + (at_ms % TIMER_WHEEL_TICK_MS != 0);
}

/* Any size of distance is as likely as any other: 0 to 2^max_bits ms. */
static uint64_t some_distance(struct rng *r, unsigned max_bits)
{
    uint64_t bits = rng_below(r, max_bits + 1);
    return rng_next(r) & ((UINT64_C(1) << bits) - 1);
}

static void set(struct model *m, struct item *item)
{
    uint64_t distance = some_distance(&m->rng, 36);
    uint64_t at_ms = m->now_ms + distance;
    if (rng_below(&m->rng, 8) == 0)
        at_ms = distance > m->now_ms ? 0 : m->now_ms - distance;
    if (rng_below(&m->rng, 1000) == 0)
        at_ms = UINT64_MAX - 1 - rng_below(&m->rng, 100);
    timer_set(&m->wheel, &item->timer, at_ms);
    item->set = true;
    item->set_in_fire = m->running;
    item->at_ms = at_ms;
}

static void cancel(struct model *m, struct item *item)
{
    timer_cancel(&m->wheel, &item->timer);
    item->set = false;
}

static void fire(void *ctx, struct timer *t)
{
    struct model *m = ctx;
    struct item *item = (struct item *)(void *)((char *)t - offsetof(struct item, timer));
    assert_true(item->set);
    assert_false(item->set_in_fire);
    assert_true(item->at_ms <= m->now_ms);
    assert_false(timer_is_set(t));
    item->set = false;
    m->fired++;
    switch (rng_below(&m->rng, 4)) {
    case 0:
        set(m, item);
        break;
    case 1:
        set(m, &m->items[rng_below(&m->rng, TIMERS)]);
        break;
    case 2:
        cancel(m, &m->items[rng_below(&m->rng, TIMERS)]);
        break;
    default:
        break;
    }
}

static void run(struct model *m, uint64_t now_ms)
{
    m->now_ms = now_ms;
    m->running = true;
    timer_wheel_run(&m->wheel, now_ms, fire, m);
    m->running = false;
    for (int i = 0; i < TIMERS; i++) {
        struct item *item = &m->items[i];
        assert_true(!item->set || item->set_in_fire || due_tick(item->at_ms) > now_ms / TIMER_WHEEL_TICK_MS);
        item->set_in_fire = false;
    }
}

static void check(const struct model *m)
{
    bool any = false;
    uint64_t earliest = UINT64_MAX;
    for (int i = 0; i < TIMERS; i++) {
        const struct item *item = &m->items[i];
        assert_int_equal(timer_is_set(&item->timer), item->set);
        if (!item->set)
            continue;
        any = true;
        uint64_t tick = due_tick(item->at_ms);
        uint64_t due_ms =
            tick > UINT64_MAX / TIMER_WHEEL_TICK_MS ? UINT64_MAX - 1 : tick * TIMER_WHEEL_TICK_MS;
        if (due_ms < earliest)
            earliest = due_ms;
    }
    uint64_t next = timer_wheel_next(&m->wheel);
    assert_int_equal(next == TIMER_NEVER, !any);
    if (any)
        assert_true(next <= (earliest > m->now_ms ? earliest : m->now_ms));
}

/* A bit is set exactly where a slot's list holds something. */
static void check_occupied(const struct timer_wheel *w)
{
    for (unsigned level = 0; level < TIMER_WHEEL_LEVELS; level++)
        for (unsigned i = 0; i < TIMER_WHEEL_SLOTS; i++)
            assert_int_equal(w->occupied[level] >> i & 1, w->slots[level][i].next != &w->slots[level][i]);
}

static void random_operations(uint64_t seed, uint64_t start_ms, unsigned jump_bits, int operations)
{
    static struct model m;
    memset(&m, 0, sizeof m);
    rng_seed(&m.rng, seed);
    m.now_ms = start_ms;
    timer_wheel_init(&m.wheel, start_ms);
    check(&m);
    for (int i = 0; i < operations; i++) {
        struct item *item = &m.items[rng_below(&m.rng, TIMERS)];
        uint64_t what = rng_below(&m.rng, 16);
        if (what < 9)
            set(&m, item);
        else if (what < 11)
            cancel(&m, item);
        else if (what < 12)
            run(&m, m.now_ms);
        else if (what < 14)
            run(&m, m.now_ms + some_distance(&m.rng, jump_bits));
        else if (timer_wheel_next(&m.wheel) > m.now_ms && timer_wheel_next(&m.wheel) < UINT64_MAX / 2)
            run(&m, timer_wheel_next(&m.wheel));
        check(&m);
        if (i % 64 == 0)
            check_occupied(&m.wheel);
    }
    assert_true(m.fired > (uint64_t)operations / 20);
}

static void test_random_operations_small_steps(void **state)
{
    (void)state;
    random_operations(1, 0, 8, 150000);
}

static void test_random_operations_large_steps(void **state)
{
    (void)state;
    random_operations(2, 123456789, 24, 150000);
}

static void test_random_operations_beyond_the_range(void **state)
{
    (void)state;
    random_operations(3, (UINT64_C(1) << 33) - 5000, 36, 100000);
}

struct log {
    struct timer *timers[8];
    unsigned n;
};

static void note(void *ctx, struct timer *t)
{
    struct log *log = ctx;
    assert_true(log->n < sizeof log->timers / sizeof log->timers[0]);
    log->timers[log->n++] = t;
}

static void test_empty_wheel_wakes_nobody(void **state)
{
    (void)state;
    static struct timer_wheel w;
    struct timer t = {0};
    struct log log = {.n = 0};
    timer_wheel_init(&w, 1000);
    assert_true(timer_wheel_next(&w) == TIMER_NEVER);
    timer_cancel(&w, &t);
    for (uint64_t far = 1; far < UINT64_C(1) << 40; far *= 3) {
        timer_set(&w, &t, 1000 + far);
        assert_true(timer_is_set(&t));
        assert_true(timer_wheel_next(&w) != TIMER_NEVER);
        timer_cancel(&w, &t);
        assert_false(timer_is_set(&t));
        assert_true(timer_wheel_next(&w) == TIMER_NEVER);
    }
    timer_set(&w, &t, TIMER_NEVER);
    assert_false(timer_is_set(&t));
    timer_set(&w, &t, 2000);
    timer_set(&w, &t, TIMER_NEVER);
    assert_false(timer_is_set(&t));
    assert_true(timer_wheel_next(&w) == TIMER_NEVER);
    timer_wheel_run(&w, 1u << 30, note, &log);
    assert_int_equal(log.n, 0);
}

static void test_never_early_and_at_most_a_tick_late(void **state)
{
    (void)state;
    static struct timer_wheel w;
    struct rng r;
    rng_seed(&r, 4);
    for (int i = 0; i < 20000; i++) {
        uint64_t now = rng_next(&r) >> 20, wakes = 0;
        struct timer t = {0};
        struct log log = {.n = 0};
        timer_wheel_init(&w, now);
        uint64_t at_ms = now + some_distance(&r, 33);
        timer_set(&w, &t, at_ms);
        while (log.n == 0) {
            uint64_t next = timer_wheel_next(&w);
            now = next > now ? next : now;
            timer_wheel_run(&w, now, note, &log);
            wakes++;
        }
        assert_true(now >= at_ms && now < at_ms + TIMER_WHEEL_TICK_MS);
        assert_true(wakes <= TIMER_WHEEL_LEVELS + 1);
    }
}

static void test_past_fires_at_the_next_run_even_of_the_same_moment(void **state)
{
    (void)state;
    static struct timer_wheel w;
    struct timer a = {0}, b = {0};
    struct log log = {.n = 0};
    timer_wheel_init(&w, 1003);
    timer_set(&w, &a, 0);
    timer_set(&w, &b, 1000);
    assert_true(timer_wheel_next(&w) <= 1003);
    timer_wheel_run(&w, 1003, note, &log);
    assert_int_equal(log.n, 2);
    /* A clock that goes back fires nothing early and breaks nothing. */
    timer_set(&w, &a, 1500);
    timer_wheel_run(&w, 10, note, &log);
    assert_int_equal(log.n, 2);
    timer_wheel_run(&w, 1504, note, &log);
    assert_int_equal(log.n, 3);
}

static void test_due_ones_fire_in_the_order_of_their_ticks(void **state)
{
    (void)state;
    static struct timer_wheel w;
    static const uint64_t at_ms[] = {70000, 100, 5000000, 3000, 101 * 8, 40000};
    static const unsigned order[] = {1, 4, 3, 5, 0, 2};
    struct timer t[6];
    struct log log = {.n = 0};
    memset(t, 0, sizeof t);
    timer_wheel_init(&w, 50);
    for (int i = 0; i < 6; i++)
        timer_set(&w, &t[i], at_ms[i]);
    timer_wheel_run(&w, UINT64_C(1) << 32, note, &log);
    assert_int_equal(log.n, 6);
    for (int i = 0; i < 6; i++)
        assert_ptr_equal(log.timers[i], &t[order[i]]);
}

struct cancelling {
    struct timer_wheel w;
    struct timer a, b, c;
    unsigned fired;
};

static void fire_one_and_stop_the_others(void *ctx, struct timer *t)
{
    struct cancelling *x = ctx;
    struct timer *others[] = {&x->a, &x->b, &x->c};
    x->fired++;
    for (int i = 0; i < 3; i++)
        if (others[i] != t)
            timer_cancel(&x->w, others[i]);
    timer_set(&x->w, t, 0);
}

static void test_due_ones_that_fire_cancels_dont_fire(void **state)
{
    (void)state;
    static struct cancelling x;
    timer_wheel_init(&x.w, 0);
    timer_set(&x.w, &x.a, 10);
    timer_set(&x.w, &x.b, 10);
    timer_set(&x.w, &x.c, 5000);
    timer_wheel_run(&x.w, 10000, fire_one_and_stop_the_others, &x);
    assert_int_equal(x.fired, 1);
    assert_int_equal(timer_is_set(&x.a) + timer_is_set(&x.b) + timer_is_set(&x.c), 1);
    timer_wheel_run(&x.w, 10000, fire_one_and_stop_the_others, &x);
    assert_int_equal(x.fired, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations_small_steps),
        cmocka_unit_test(test_random_operations_large_steps),
        cmocka_unit_test(test_random_operations_beyond_the_range),
        cmocka_unit_test(test_empty_wheel_wakes_nobody),
        cmocka_unit_test(test_never_early_and_at_most_a_tick_late),
        cmocka_unit_test(test_past_fires_at_the_next_run_even_of_the_same_moment),
        cmocka_unit_test(test_due_ones_fire_in_the_order_of_their_ticks),
        cmocka_unit_test(test_due_ones_that_fire_cancels_dont_fire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
