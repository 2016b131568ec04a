/* Words and names: how each such type of option is read, printed and described. */
#include <stdio.h>
#include <string.h>

#include "config/options.h"
#include "config/spelling.h"

/* `nth` names the index-th word, NULL behind the last. */

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
