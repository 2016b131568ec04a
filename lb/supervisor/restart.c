#include "supervisor/restart.h"

uint64_t restart_pause_ms(struct restart *r, uint64_t lived_ms)
{
    if (lived_ms >= RESTART_GOOD_LIFE_MS) {
        r->quick_deaths = 0;
        return 0;
    }
    if (r->quick_deaths < UINT32_MAX)
        r->quick_deaths++;
    uint64_t pause = RESTART_PAUSE_MIN_MS;
    for (uint32_t i = 2; i < r->quick_deaths && pause < RESTART_PAUSE_MAX_MS; i++)
        pause *= 2;
    if (r->quick_deaths == 1)
        return 0;
    return pause < RESTART_PAUSE_MAX_MS ? pause : RESTART_PAUSE_MAX_MS;
}
