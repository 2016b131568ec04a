#include "config/expand.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789"

struct text {
    char *bytes;
    size_t len, cap, max;
};

static bool add(struct text *t, const char *s, size_t len, char error[EXPAND_ERROR_MAX])
{
    if (len > t->max - t->len) {
        snprintf(error, EXPAND_ERROR_MAX, "the values of the configuration are too large together");
        return false;
    }
    if (t->len + len + 1 > t->cap) {
        size_t cap = 2 * (t->len + len + 1);
        char *bytes = realloc(t->bytes, cap);

        if (!bytes) {
            snprintf(error, EXPAND_ERROR_MAX, "out of memory");
            return false;
        }
        t->bytes = bytes;
        t->cap = cap;
    }
    memcpy(t->bytes + t->len, s, len);
    t->len += len;
    t->bytes[t->len] = '\0';
    return true;
}

/* `at` stands behind "${"; *end is set behind "}". */
static bool add_variable(struct text *t, const char *at, const char **end, char error[EXPAND_ERROR_MAX])
{
    size_t len = strspn(at, NAME_CHARS);
    char name[200]; /* a line of the file is shorter */
    const char *value;

    if (len == 0 || len >= sizeof(name) || at[len] != '}' || (at[0] >= '0' && at[0] <= '9')) {
        snprintf(
            error, EXPAND_ERROR_MAX,
            "\"${\" begins the name of an environment variable: right is ${NAME}, or $${ for a plain ${");
        return false;
    }
    memcpy(name, at, len);
    name[len] = '\0';
    *end = at + len + 1;
    value = getenv(name);
    if (!value) {
        snprintf(error, EXPAND_ERROR_MAX, "${%s}: the environment has no such variable", name);
        return false;
    }
    return add(t, value, strlen(value), error);
}

char *expand_env(const char *text, size_t bytes_max, char error[EXPAND_ERROR_MAX])
{
    struct text t = {.max = bytes_max};
    const char *p = text;
    bool ok = add(&t, "", 0, error);

    while (ok && *p) {
        size_t plain = strcspn(p, "$");

        if (plain > 0) {
            ok = add(&t, p, plain, error);
            p += plain;
        } else if (strncmp(p, "$${", 3) == 0) {
            ok = add(&t, "${", 2, error);
            p += 3;
        } else if (strncmp(p, "${", 2) == 0) {
            ok = add_variable(&t, p + 2, &p, error);
        } else {
            ok = add(&t, p++, 1, error);
        }
    }
    if (ok)
        return t.bytes;
    free(t.bytes);
    return NULL;
}
