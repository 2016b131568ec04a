#include "base/units.h"

#include <stdio.h>
#include <string.h>

/* Doubles hold every whole number up to here; a rate beyond it could not be printed as it was read. */
#define RATE_NUMBER_MAX (1ull << 53)

struct unit {
    const char *name;
    uint64_t factor;
};

/* From large to small: a printer takes the first that divides. */
static const struct unit time_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                         {"s", 1000},     {"ms", 1},      {NULL, 0}};
static const struct unit size_units[] = {
    {"g", 1u << 30}, {"m", 1u << 20}, {"k", 1u << 10}, {"", 1}, {NULL, 0}};
static const struct unit rate_units[] = {{"/s", 1}, {"/m", 60}, {"/h", 3600}, {NULL, 0}};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The digits at the front of text; *rest is what follows. false: no digit, or over 64 bits. */
static bool take_number(const char *text, uint64_t *out, const char **rest)
{
    uint64_t value = 0;
    const char *p = text;
    for (; is_digit(*p); p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (__builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *out = value;
    *rest = p;
    return p != text;
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
    for (; units->name; units++)
        if (strcmp(units->name, name) == 0)
            return units;
    return NULL;
}

static bool parse_scaled(const char *text, const struct unit *units, uint64_t *out)
{
    uint64_t number;
    const char *rest;
    if (!take_number(text, &number, &rest))
        return false;
    const struct unit *unit = find_unit(units, rest);
    if (!unit || __builtin_mul_overflow(number, unit->factor, &number))
        return false;
    *out = number;
    return true;
}

static size_t format_scaled(uint64_t value, const struct unit *units, char out[UNITS_TEXT_MAX])
{
    while (value % units->factor != 0)
        units++;
    int n = value == 0 ? snprintf(out, UNITS_TEXT_MAX, "0")
                       : snprintf(out, UNITS_TEXT_MAX, "%llu%s", (unsigned long long)(value / units->factor),
                                  units->name);
    return n > 0 ? (size_t)n : 0;
}

bool units_parse_u64(const char *text, uint64_t *out)
{
    uint64_t number;
    const char *rest;
    if (!take_number(text, &number, &rest) || *rest)
        return false;
    *out = number;
    return true;
}

bool units_parse_time_ms(const char *text, uint64_t *out)
{
    if (strcmp(text, "0") == 0) {
        *out = 0;
        return true;
    }
    return parse_scaled(text, time_units, out);
}

bool units_parse_size_bytes(const char *text, uint64_t *out)
{
    return parse_scaled(text, size_units, out);
}

bool units_parse_rate_per_s(const char *text, double *out)
{
    uint64_t number;
    const char *rest;
    if (!take_number(text, &number, &rest) || number > RATE_NUMBER_MAX)
        return false;
    const struct unit *unit = find_unit(rate_units, rest);
    if (!unit)
        return false;
    *out = (double)number / (double)unit->factor;
    return true;
}

bool units_parse_percent(const char *text, uint32_t *out_permille)
{
    uint64_t number;
    const char *rest;
    if (!take_number(text, &number, &rest) || number > (UINT32_MAX - 9) / 10)
        return false;
    uint64_t permille = number * 10;
    if (rest[0] == '.' && is_digit(rest[1])) {
        permille += (uint64_t)(rest[1] - '0');
        rest += 2;
    }
    if (strcmp(rest, "%") != 0)
        return false;
    *out_permille = (uint32_t)permille;
    return true;
}

bool units_parse_octal_mode(const char *text, uint32_t *out)
{
    uint32_t mode = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '7'; p++) {
        mode = mode * 8 + (uint32_t)(*p - '0');
        if (mode > 07777)
            return false;
    }
    if (*p || p == text)
        return false;
    *out = mode;
    return true;
}

size_t units_format_time_ms(uint64_t ms, char out[UNITS_TEXT_MAX])
{
    return format_scaled(ms, time_units, out);
}

size_t units_format_size_bytes(uint64_t bytes, char out[UNITS_TEXT_MAX])
{
    return format_scaled(bytes, size_units, out);
}

size_t units_format_rate_per_s(double rate, char out[UNITS_TEXT_MAX])
{
    /* What no whole number an hour makes (no parser gives that) is printed as the nearest that can. */
    const struct unit *unit = rate_units;
    uint64_t number;
    for (;; unit++) {
        double scaled = rate * (double)unit->factor + 0.5;
        number = scaled >= (double)RATE_NUMBER_MAX ? RATE_NUMBER_MAX : scaled >= 1.0 ? (uint64_t)scaled : 0;
        double reads_as = (double)number / (double)unit->factor;
        if (reads_as >= rate && reads_as <= rate)
            break;
        if (!unit[1].name || rate * (double)unit[1].factor >= (double)RATE_NUMBER_MAX)
            break;
    }
    int n = snprintf(out, UNITS_TEXT_MAX, "%llu%s", (unsigned long long)number, unit->name);
    return n > 0 ? (size_t)n : 0;
}
