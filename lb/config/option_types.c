/* Numbers and words: how each type of option is read, printed and described. */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "config/options.h"
#include "config/spelling.h"

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

static const char *range_words(const struct option *o, uint64_t n)
{
    if (n >= o->min)
        return " is too much";
    return n == 0 && o->zero ? " is no limit at all" : " is too little";
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
        return refuse(o, text, range_words(o, n), error);
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
    uint64_t n;

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
    const char *why = all_digits(v->text) ? " lacks its unit (s, for example)" : " is no time";

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
    snprintf(out, OPTION_VALUES_MAX, "a size from %s to %s", min, max);
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

/* words: `nth` names the index-th, NULL behind the last */

typedef const char *nth_word(const struct option *o, uint32_t index);

static uint32_t find_word(const struct option *o, nth_word *nth, const char *text,
                          char error[OPTION_ERROR_MAX])
{
    char values[OPTION_VALUES_MAX];
    struct spelling near;
    uint32_t n;

    spelling_init(&near, text);
    for (n = 0; nth(o, n); n++) {
        if (strcmp(nth(o, n), text) == 0)
            return n;
        spelling_try(&near, nth(o, n));
    }
    o->type->describe(o, values);
    if (near.best)
        snprintf(error, OPTION_ERROR_MAX, "\"%s\" is unknown; did you mean \"%s\"? Right is %s", text,
                 near.best, values);
    else
        snprintf(error, OPTION_ERROR_MAX, "\"%s\" is unknown; right is %s", text, values);
    return UINT32_MAX;
}

static void list_words(const struct option *o, nth_word *nth, char out[OPTION_VALUES_MAX])
{
    size_t len = 0;

    out[0] = '\0';
    for (uint32_t n = 0; nth(o, n) && len < OPTION_VALUES_MAX; n++)
        len += (size_t)snprintf(out + len, OPTION_VALUES_MAX - len, "%s%s",
                                n == 0          ? ""
                                : nth(o, n + 1) ? ", "
                                                : " or ",
                                nth(o, n));
}

static const char *nth_of_row(const struct option *o, uint32_t index)
{
    return o->words[index];
}

static bool parse_word(const struct option *o, const struct option_value *v, void *field,
                       char error[OPTION_ERROR_MAX])
{
    uint32_t n = find_word(o, nth_of_row, v->text, error);

    if (n == UINT32_MAX)
        return false;
    *(uint32_t *)field = n;
    return true;
}

static bool print_word(const struct option *o, const struct config *c, const void *field, uint32_t index,
                       char out[OPTION_TEXT_MAX])
{
    (void)c;
    snprintf(out, OPTION_TEXT_MAX, "%s", o->words[*(const uint32_t *)field]);
    return index == 0;
}

static void describe_word(const struct option *o, char out[OPTION_VALUES_MAX])
{
    list_words(o, nth_of_row, out);
}

const struct option_type option_type_word = {parse_word, print_word, describe_word, NULL};

static const char *nth_switch(const struct option *o, uint32_t index)
{
    static const char *const words[] = {"off", "on", NULL};

    (void)o;
    return words[index];
}

static bool parse_switch(const struct option *o, const struct option_value *v, void *field,
                         char error[OPTION_ERROR_MAX])
{
    uint32_t n = find_word(o, nth_switch, v->text, error);

    if (n == UINT32_MAX)
        return false;
    *(bool *)field = n == 1;
    return true;
}

static bool print_switch(const struct option *o, const struct config *c, const void *field, uint32_t index,
                         char out[OPTION_TEXT_MAX])
{
    (void)c;
    snprintf(out, OPTION_TEXT_MAX, "%s", nth_switch(o, *(const bool *)field));
    return index == 0;
}

static void describe_switch(const struct option *o, char out[OPTION_VALUES_MAX])
{
    list_words(o, nth_switch, out);
}

const struct option_type option_type_switch = {parse_switch, print_switch, describe_switch, NULL};

static const char *nth_log_level(const struct option *o, uint32_t index)
{
    (void)o;
    return index <= LOG_LEVEL_ERROR ? log_level_name((enum log_level)index) : NULL;
}

static bool parse_log_level(const struct option *o, const struct option_value *v, void *field,
                            char error[OPTION_ERROR_MAX])
{
    uint32_t n = find_word(o, nth_log_level, v->text, error);

    if (n == UINT32_MAX)
        return false;
    *(uint32_t *)field = n;
    return true;
}

static bool print_log_level(const struct option *o, const struct config *c, const void *field, uint32_t index,
                            char out[OPTION_TEXT_MAX])
{
    (void)c;
    snprintf(out, OPTION_TEXT_MAX, "%s", nth_log_level(o, *(const uint32_t *)field));
    return index == 0;
}

static void describe_log_level(const struct option *o, char out[OPTION_VALUES_MAX])
{
    list_words(o, nth_log_level, out);
}

const struct option_type option_type_log_level = {parse_log_level, print_log_level, describe_log_level, NULL};

static const char *nth_algorithm(const struct option *o, uint32_t index)
{
    (void)o;
    return algo_list[index] ? algo_list[index]->name : NULL;
}

static bool parse_algorithm(const struct option *o, const struct option_value *v, void *field,
                            char error[OPTION_ERROR_MAX])
{
    uint32_t n = find_word(o, nth_algorithm, v->text, error);

    if (n == UINT32_MAX)
        return false;
    *(const struct algo **)field = algo_list[n];
    return true;
}

static bool print_algorithm(const struct option *o, const struct config *c, const void *field, uint32_t index,
                            char out[OPTION_TEXT_MAX])
{
    (void)o, (void)c;
    snprintf(out, OPTION_TEXT_MAX, "%s", (*(const struct algo *const *)field)->name);
    return index == 0;
}

static void describe_algorithm(const struct option *o, char out[OPTION_VALUES_MAX])
{
    list_words(o, nth_algorithm, out);
}

const struct option_type option_type_algorithm = {parse_algorithm, print_algorithm, describe_algorithm, NULL};

/* a pool's name */

static bool parse_pool(const struct option *o, const struct option_value *v, void *field,
                       char error[OPTION_ERROR_MAX])
{
    const char *nearest = NULL;
    int index = v->pools->find(v->pools->ctx, v->text, &nearest);

    (void)o;
    if (index < 0) {
        if (nearest)
            snprintf(error, OPTION_ERROR_MAX, "nobody defines [pool %s]; did you mean \"%s\"?", v->text,
                     nearest);
        else
            snprintf(error, OPTION_ERROR_MAX, "nobody defines [pool %s]", v->text);
        return false;
    }
    *(uint32_t *)field = (uint32_t)index;
    return true;
}

static bool print_pool(const struct option *o, const struct config *c, const void *field, uint32_t index,
                       char out[OPTION_TEXT_MAX])
{
    (void)o;
    snprintf(out, OPTION_TEXT_MAX, "%s", c->pools[*(const uint32_t *)field].name);
    return index == 0;
}

static void describe_pool(const struct option *o, char out[OPTION_VALUES_MAX])
{
    (void)o;
    snprintf(out, OPTION_VALUES_MAX, "the name of a pool");
}

const struct option_type option_type_pool = {parse_pool, print_pool, describe_pool, NULL};
