/* The units of the config: times "250ms 10s 5m 1h 2d", sizes "64k 1m 1g" (powers of 1024), rates "100/s"
 * ("6000/m", "3600/h" too), percentages "95%". Parsers refuse signs, blanks, fractions and overflow; printers
 * write the shortest form that reads back as the same value. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNITS_TEXT_MAX 32

bool units_parse_u64(const char *text, uint64_t *out);     /* "42", digits only */
bool units_parse_time_ms(const char *text, uint64_t *out); /* "0" is fine without a unit, nothing else is */
bool units_parse_size_bytes(const char *text, uint64_t *out); /* "65536" "64k" */
bool units_parse_rate_per_s(const char *text, double *out);
bool units_parse_percent(const char *text, uint32_t *out_permille); /* "95%" "97.5%" */
bool units_parse_octal_mode(const char *text, uint32_t *out);       /* "0660" */

size_t units_format_time_ms(uint64_t ms, char out[UNITS_TEXT_MAX]);
size_t units_format_size_bytes(uint64_t bytes, char out[UNITS_TEXT_MAX]);
size_t units_format_rate_per_s(double rate, char out[UNITS_TEXT_MAX]);

#endif
