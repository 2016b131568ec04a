/* The two clocks. Everything that measures or waits uses the monotonic one (rows hold its milliseconds, so
 * that a jump of the wall clock closes nobody); the wall clock is for what people read. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_mono_ms(void);
uint64_t clock_mono_ns(void);
uint64_t clock_real_ms(void);

#define CLOCK_TEXT_MAX 32 /* "2026-11-24T09:52:08.123Z" and its NUL */

/* Writes RFC 3339, UTC, milliseconds; returns the length. */
size_t clock_format(uint64_t real_ms, char out[CLOCK_TEXT_MAX]);

#endif
