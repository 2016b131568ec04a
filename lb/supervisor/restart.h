/* How long to wait before a child that has died is started again: at once after a good life and after the
 * first quick death, then 100 ms, 200 ms … up to 30 s, so that a child that can't live doesn't eat the
 * machine and one that was killed is back within a second. */
#ifndef SUPERVISOR_RESTART_H
#define SUPERVISOR_RESTART_H

#include <stdint.h>

#define RESTART_GOOD_LIFE_MS 1000u /* after READY; a shorter life is a quick death */
#define RESTART_PAUSE_MIN_MS 100u
#define RESTART_PAUSE_MAX_MS 30000u

struct restart { /* zero-initialised */
    uint32_t quick_deaths;
};

/* A child has died `lived_ms` after its READY (0: it never got there). Returns the pause before the next. */
uint64_t restart_pause_ms(struct restart *r, uint64_t lived_ms);

#endif
