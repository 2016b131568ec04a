#include "base/timer_wheel.h"

#include <stddef.h>

/* Level L has slots of 64^L ticks. A timer sits on the lowest level that reaches its tick; when the wheel
 * comes to the slot of a higher level, its timers are placed anew, lower. Ticks up to now_tick are done, so
 * level 0's slot of now_tick itself holds what was set to a time that had passed. */
#define SLOT_BITS   6u
#define SLOT_MASK   (TIMER_WHEEL_SLOTS - 1u)
#define TICK_NEVER  UINT64_MAX
#define RANGE_TICKS (UINT64_C(1) << (SLOT_BITS * TIMER_WHEEL_LEVELS))

static void list_init(struct timer *head)
{
    head->next = head->prev = head;
}

static void list_push(struct timer *head, struct timer *t)
{
    t->prev = head->prev;
    t->next = head;
    head->prev->next = t;
    head->prev = t;
}

/* Hangs all of `from` onto `to`, which is empty. */
static void list_take(struct timer *to, struct timer *from)
{
    list_init(to);
    if (from->next == from)
        return;
    to->next = from->next;
    to->prev = from->prev;
    to->next->prev = to;
    to->prev->next = to;
    list_init(from);
}

void timer_wheel_init(struct timer_wheel *w, uint64_t now_ms)
{
    w->now_tick = now_ms / TIMER_WHEEL_TICK_MS;
    for (unsigned level = 0; level < TIMER_WHEEL_LEVELS; level++) {
        w->occupied[level] = 0;
        for (unsigned i = 0; i < TIMER_WHEEL_SLOTS; i++)
            list_init(&w->slots[level][i]);
    }
}

static void place(struct timer_wheel *w, struct timer *t)
{
    uint64_t tick = t->at_ms / TIMER_WHEEL_TICK_MS + (t->at_ms % TIMER_WHEEL_TICK_MS != 0);
    if (tick < w->now_tick)
        tick = w->now_tick;
    if (tick - w->now_tick >= RANGE_TICKS)
        tick = w->now_tick + RANGE_TICKS - 1; /* parked as far away as can be, placed anew from there */
    uint64_t delta = tick - w->now_tick;
    unsigned level = 0;
    while (delta >> (SLOT_BITS * (level + 1)))
        level++;
    unsigned slot = (unsigned)(tick >> (SLOT_BITS * level)) & SLOT_MASK;
    list_push(&w->slots[level][slot], t);
    w->occupied[level] |= UINT64_C(1) << slot;
}

void timer_cancel(struct timer_wheel *w, struct timer *t)
{
    if (!t->next)
        return;
    struct timer *head = t->next;
    bool was_last = t->next == t->prev;
    t->next->prev = t->prev;
    t->prev->next = t->next;
    t->next = t->prev = NULL;
    if (!was_last)
        return;
    /* The list is empty now, so that its neighbour was the head: of a slot, or of the list in
     * timer_wheel_run. */
    uintptr_t offset = (uintptr_t)head - (uintptr_t)&w->slots[0][0];
    if (offset < sizeof w->slots) {
        size_t i = offset / sizeof *head;
        w->occupied[i / TIMER_WHEEL_SLOTS] &= ~(UINT64_C(1) << (i % TIMER_WHEEL_SLOTS));
    }
}

void timer_set(struct timer_wheel *w, struct timer *t, uint64_t at_ms)
{
    timer_cancel(w, t);
    t->at_ms = at_ms;
    if (at_ms != TIMER_NEVER)
        place(w, t);
}

static uint64_t rotate_right(uint64_t x, unsigned n)
{
    return n == 0 ? x : (x >> n) | (x << (64u - n));
}

/* The first tick, from now_tick on, at which a slot has to be looked at; TICK_NEVER when the wheel is empty.
 */
static uint64_t next_tick(const struct timer_wheel *w)
{
    uint64_t first = TICK_NEVER;
    for (unsigned level = 0; level < TIMER_WHEEL_LEVELS; level++) {
        if (w->occupied[level] == 0)
            continue;
        /* A higher level's current slot was emptied when the wheel came to it; what is in it now is a whole
         * turn away. */
        uint64_t from = (w->now_tick >> (SLOT_BITS * level)) + (level > 0);
        uint64_t ahead = rotate_right(w->occupied[level], (unsigned)from & SLOT_MASK);
        uint64_t tick = (from + (uint64_t)__builtin_ctzll(ahead)) << (SLOT_BITS * level);
        if (tick < first)
            first = tick;
    }
    return first;
}

/* Places anew what waits in the slots that begin at now_tick, the highest level first. */
static void cascade(struct timer_wheel *w)
{
    for (unsigned level = TIMER_WHEEL_LEVELS - 1; level > 0; level--) {
        unsigned shift = SLOT_BITS * level;
        if (w->now_tick & ((UINT64_C(1) << shift) - 1))
            continue;
        unsigned slot = (unsigned)(w->now_tick >> shift) & SLOT_MASK;
        struct timer waiting;
        list_take(&waiting, &w->slots[level][slot]);
        w->occupied[level] &= ~(UINT64_C(1) << slot);
        while (waiting.next != &waiting) {
            struct timer *t = waiting.next;
            t->next->prev = &waiting;
            waiting.next = t->next;
            place(w, t);
        }
    }
}

/* Moves the wheel to `target` from one occupied slot to the next, however far that is, and hangs what is due
 * onto `due`, in the order of the ticks. */
static void advance(struct timer_wheel *w, uint64_t target, struct timer *due)
{
    uint64_t tick;
    while ((tick = next_tick(w)) <= target) {
        w->now_tick = tick;
        cascade(w);
        unsigned slot = (unsigned)tick & SLOT_MASK;
        struct timer *head = &w->slots[0][slot];
        while (head->next != head) {
            struct timer *t = head->next;
            t->next->prev = head;
            head->next = t->next;
            list_push(due, t);
        }
        w->occupied[0] &= ~(UINT64_C(1) << slot);
    }
    if (w->now_tick < target)
        w->now_tick = target;
}

void timer_wheel_run(struct timer_wheel *w, uint64_t now_ms, void (*fire)(void *ctx, struct timer *t),
                     void *ctx)
{
    uint64_t target = now_ms / TIMER_WHEEL_TICK_MS;
    if (target < w->now_tick)
        target = w->now_tick;
    struct timer due;
    list_init(&due);
    advance(w, target, &due);
    /* What fire cancels or moves leaves this list by itself; what it sets goes to the wheel, not here. */
    while (due.next != &due) {
        struct timer *t = due.next;
        timer_cancel(w, t);
        fire(ctx, t);
    }
}

uint64_t timer_wheel_next(const struct timer_wheel *w)
{
    uint64_t tick = next_tick(w);
    if (tick == TICK_NEVER)
        return TIMER_NEVER;
    /* The last tick that 64 bits of milliseconds know would wrap round. */
    return tick > TIMER_NEVER / TIMER_WHEEL_TICK_MS ? TIMER_NEVER - 1 : tick * TIMER_WHEEL_TICK_MS;
}
