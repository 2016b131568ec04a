/* Time-outs of a hundred thousand connections: a hierarchical wheel with ticks of 8 ms, so setting, moving
 * and cancelling cost a few stores whatever their number. A timer fires at its deadline or up to one tick
 * later, never before. The owner asks timer_wheel_next for when to wake up: an idle wheel wakes nobody. */
#ifndef BASE_TIMER_WHEEL_H
#define BASE_TIMER_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define TIMER_WHEEL_TICK_MS 8u
#define TIMER_WHEEL_LEVELS  5u
#define TIMER_WHEEL_SLOTS   64u
#define TIMER_NEVER         UINT64_MAX

struct timer {
    struct timer *next, *prev; /* NULL: not on the wheel */
    uint64_t at_ms;            /* CLOCK_MONOTONIC */
};

struct timer_wheel {
    uint64_t now_tick;
    uint64_t occupied[TIMER_WHEEL_LEVELS]; /* a bit for each slot that holds a timer */
    struct timer slots[TIMER_WHEEL_LEVELS][TIMER_WHEEL_SLOTS];
};

void timer_wheel_init(struct timer_wheel *w, uint64_t now_ms);

/* Sets or moves t to at_ms (in the past: fires at the next timer_wheel_run; TIMER_NEVER: takes it off). t is
 * zero-initialised before its first use and must stay where it is while set. */
void timer_set(struct timer_wheel *w, struct timer *t, uint64_t at_ms);
void timer_cancel(struct timer_wheel *w, struct timer *t); /* fine when it isn't set */

static inline bool timer_is_set(const struct timer *t)
{
    return t->next != 0;
}

/* Takes every timer that is due off the wheel and calls fire for it. fire may set, move and cancel any timer,
 * its own and others that are due included (a cancelled one doesn't fire). A timer set in fire to a time that
 * is already past fires at the next run. */
void timer_wheel_run(struct timer_wheel *w, uint64_t now_ms, void (*fire)(void *ctx, struct timer *t),
                     void *ctx);

/* When timer_wheel_run should be called next, at the latest, or TIMER_NEVER; may be early (a cascade), never
 * late. */
uint64_t timer_wheel_next(const struct timer_wheel *w);

#endif
