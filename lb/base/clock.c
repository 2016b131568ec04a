#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#define REAL_MS_MAX 253402300799999u /* the last millisecond of the year 9999: RFC 3339 has four digits */

static uint64_t read_ns(clockid_t id)
{
    struct timespec ts;
    if (clock_gettime(id, &ts) != 0)
        return 0; /* can't fail for these two clocks and a good pointer */
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ms(void)
{
    return read_ns(CLOCK_MONOTONIC) / 1000000u;
}

uint64_t clock_mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_real_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000u;
}

size_t clock_format(uint64_t real_ms, char out[CLOCK_TEXT_MAX])
{
    if (real_ms > REAL_MS_MAX)
        real_ms = REAL_MS_MAX;
    time_t seconds = (time_t)(real_ms / 1000u);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(out, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    int more = snprintf(out + n, CLOCK_TEXT_MAX - n, ".%03uZ", (unsigned)(real_ms % 1000u));
    return n + (more > 0 ? (size_t)more : 0);
}
