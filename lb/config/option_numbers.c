/* Numbers: how each such type of option is read, printed and described. */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "config/options.h"

static bool all_digits(const char *s)
{
    return *s && s[strspn(s, "0123456789")] == '\0';
}

static bool is_zero_word(const struct option *o, const char *text)
{
    return o->zero && strcmp(text, o->zero) == 0;
}

/* What every number's error ends with: the values that are right. */
static bool refuse(const struct option *o, const char *text, const char *why, char error[OPTION_ERROR_MAX])
{
    char values[OPTION_VALUES_MAX];

    o->type->describe(o, values);
    snprintf(error, OPTION_ERROR_MAX, "\"%s\"%s; right is %s", text, why, values);
    return false;
}

static bool parse_number(const struct option *o, const char *text, bool (*read)(const char *, uint64_t *),
                         const char *why, uint64_t *out, char error[OPTION_ERROR_MAX])
{
    uint64_t n = 0;

    if (is_zero_word(o, text)) {
        *out = 0;
        return true;
    }
    if (!read(text, &n))
        return refuse(o, text, why, error);
    if (n < o->min || n > o->max)
        return refuse(o, text, n < o->min ? " is too little" : " is too much", error);
    *out = n;
    return true;
}

/* counts */

static bool parse_count64(const struct option *o, const struct option_value *v, void *field,
                          char error[OPTION_ERROR_MAX])
{
    return parse_number(o, v->text, units_parse_u64, " is no whole number", field, error);
}

static bool parse_count32(const struct option *o, const struct option_value *v, void *field,
                          char error[OPTION_ERROR_MAX])
{
    uint64_t n = 0;

    if (!parse_number(o, v->text, units_parse_u64, " is no whole number", &n, error))
        return false;
    *(uint32_t *)field = (uint32_t)n;
    return true;
}

static bool print_count(const struct option *o, uint64_t n, char out[OPTION_TEXT_MAX])
{
    if (n == 0 && o->zero)
        snprintf(out, OPTION_TEXT_MAX, "%s", o->zero);
    else
        snprintf(out, OPTION_TEXT_MAX, "%llu", (unsigned long long)n);
    return true;
}

static bool print_count64(const struct option *o, const struct config *c, const void *field, uint32_t index,
                          char out[OPTION_TEXT_MAX])
{
    (void)c;
    return index == 0 && print_count(o, *(const uint64_t *)field, out);
}

static bool print_count32(const struct option *o, const struct config *c, const void *field, uint32_t index,
                          char out[OPTION_TEXT_MAX])
{
    (void)c;
    return index == 0 && print_count(o, *(const uint32_t *)field, out);
}

static void describe_count(const struct option *o, char out[OPTION_VALUES_MAX])
{
    snprintf(out, OPTION_VALUES_MAX, "a number from %llu to %llu%s%s", (unsigned long long)o->min,
             (unsigned long long)o->max, o->zero ? ", or " : "", o->zero ? o->zero : "");
}

const struct option_type option_type_count64 = {parse_count64, print_count64, describe_count, NULL};
const struct option_type option_type_count32 = {parse_count32, print_count32, describe_count, NULL};

/* times and sizes */

static bool parse_time(const struct option *o, const struct option_value *v, void *field,
                       char error[OPTION_ERROR_MAX])
{
    char why[64] = " is no time";

    if (all_digits(v->text))
        snprintf(why, sizeof(why), " lacks its unit, such as in %.20ss", v->text);
    return parse_number(o, v->text, units_parse_time_ms, why, field, error);
}

static bool print_time(const struct option *o, const struct config *c, const void *field, uint32_t index,
                       char out[OPTION_TEXT_MAX])
{
    uint64_t ms = *(const uint64_t *)field;

    (void)o, (void)c;
    if (ms == 0)
        strcpy(out, "0s");
    else
        units_format_time_ms(ms, out);
    return index == 0;
}

static void describe_time(const struct option *o, char out[OPTION_VALUES_MAX])
{
    char min[UNITS_TEXT_MAX], max[UNITS_TEXT_MAX];

    units_format_time_ms(o->min, min);
    units_format_time_ms(o->max, max);
    snprintf(out, OPTION_VALUES_MAX, "a time from %s to %s, such as 250ms, 10s, 5m or 1h", min, max);
}

const struct option_type option_type_time = {parse_time, print_time, describe_time, NULL};

static bool parse_size(const struct option *o, const struct option_value *v, void *field,
                       char error[OPTION_ERROR_MAX])
{
    return parse_number(o, v->text, units_parse_size_bytes, " is no size", field, error);
}

static bool print_size(const struct option *o, const struct config *c, const void *field, uint32_t index,
                       char out[OPTION_TEXT_MAX])
{
    (void)o, (void)c;
    units_format_size_bytes(*(const uint64_t *)field, out);
    return index == 0;
}

static void describe_size(const struct option *o, char out[OPTION_VALUES_MAX])
{
    char min[UNITS_TEXT_MAX], max[UNITS_TEXT_MAX];

    units_format_size_bytes(o->min, min);
    units_format_size_bytes(o->max, max);
    snprintf(out, OPTION_VALUES_MAX, "a size from %s to %s, such as 16k", min, max);
}

const struct option_type option_type_size = {parse_size, print_size, describe_size, NULL};

/* rates */

static bool parse_rate(const struct option *o, const struct option_value *v, void *field,
                       char error[OPTION_ERROR_MAX])
{
    double rate;

    if (!units_parse_rate_per_s(v->text, &rate))
        return refuse(o, v->text, all_digits(v->text) ? " lacks its \"/s\"" : " is no rate", error);
    if (!(rate > 0))
        return refuse(o, v->text, " would never come to its end", error);
    if (rate > (double)o->max)
        return refuse(o, v->text, " is too much", error);
    *(double *)field = rate;
    return true;
}

static bool print_rate(const struct option *o, const struct config *c, const void *field, uint32_t index,
                       char out[OPTION_TEXT_MAX])
{
    (void)o, (void)c;
    units_format_rate_per_s(*(const double *)field, out);
    return index == 0;
}

static void describe_rate(const struct option *o, char out[OPTION_VALUES_MAX])
{
    snprintf(out, OPTION_VALUES_MAX, "a rate above 0 and up to %llu/s, such as 100/s, 30/m or 10/h",
             (unsigned long long)o->max);
}

const struct option_type option_type_rate = {parse_rate, print_rate, describe_rate, NULL};

/* file modes */

static bool parse_mode(const struct option *o, const struct option_value *v, void *field,
                       char error[OPTION_ERROR_MAX])
{
    uint32_t mode;

    if (!units_parse_octal_mode(v->text, &mode) || mode > o->max)
        return refuse(o, v->text, " is no file mode", error);
    *(uint32_t *)field = mode;
    return true;
}

static bool print_mode(const struct option *o, const struct config *c, const void *field, uint32_t index,
                       char out[OPTION_TEXT_MAX])
{
    (void)o, (void)c;
    snprintf(out, OPTION_TEXT_MAX, "%04o", *(const uint32_t *)field);
    return index == 0;
}

static void describe_mode(const struct option *o, char out[OPTION_VALUES_MAX])
{
    snprintf(out, OPTION_VALUES_MAX, "an octal mode from 0000 to %04o, such as 0660", (unsigned)o->max);
}

const struct option_type option_type_mode = {parse_mode, print_mode, describe_mode, NULL};

/* close codes: those that may stand in a Close from a server (RFC 6455 section 7.4 and the IANA registry).
 * 1004 to 1006 and 1015 never stand in one, 1002, 1003 and 1007 blame the client for bytes it never sent,
 * 1010 is a client's. */

static bool is_close_code(uint64_t n)
{
    return n == 1000 || n == 1001 || n == 1008 || n == 1009 || (n >= 1011 && n <= 1014) ||
           (n >= 3000 && n <= 4999);
}

static bool parse_close_code(const struct option *o, const struct option_value *v, void *field,
                             char error[OPTION_ERROR_MAX])
{
    uint64_t n = 0;

    if (!is_zero_word(o, v->text)) {
        if (!units_parse_u64(v->text, &n))
            return refuse(o, v->text, " is no close code", error);
        if (!is_close_code(n))
            return refuse(o, v->text, " can't be sent to a client", error);
    }
    *(uint32_t *)field = (uint32_t)n;
    return true;
}

static void describe_close_code(const struct option *o, char out[OPTION_VALUES_MAX])
{
    snprintf(out, OPTION_VALUES_MAX, "1000, 1001, 1008, 1009, 1011 to 1014 or 3000 to 4999%s%s",
             o->zero ? ", or " : "", o->zero ? o->zero : "");
}

const struct option_type option_type_close_code = {parse_close_code, print_count32, describe_close_code,
                                                   NULL};
