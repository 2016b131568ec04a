#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/options.h"

struct text {
    char *bytes;
    size_t len, cap;
    bool failed; /* memory was refused; nothing is added any more */
};

static void add(struct text *t, const char *s, size_t len)
{
    if (!t->failed && t->len + len + 1 > t->cap) {
        size_t cap = 2 * (t->len + len + 1) + 4096;
        char *bytes = realloc(t->bytes, cap);

        if (bytes) {
            t->bytes = bytes;
            t->cap = cap;
        }
        t->failed = !bytes;
    }
    if (t->failed)
        return;
    memcpy(t->bytes + t->len, s, len);
    t->len += len;
    t->bytes[t->len] = '\0';
}

static void say(struct text *t, const char *s)
{
    add(t, s, strlen(s));
}

/* "${" would be taken from the environment: it is written "$${". */
static void say_value(struct text *t, const char *s)
{
    const char *brace;

    for (; (brace = strstr(s, "${")); s = brace + 2) {
        add(t, s, (size_t)(brace - s));
        say(t, "$${");
    }
    say(t, s);
}

static void say_option(struct text *t, const struct option *o, const char *value)
{
    say(t, o->key);
    say(t, " = ");
    say_value(t, value);
    say(t, "\n");
}

enum group { SET, DEFAULT, UNSET };

static enum group group_of(const struct config *c, const struct option *o, const void *section,
                           const void *defaults)
{
    char value[OPTION_TEXT_MAX], def[OPTION_TEXT_MAX];

    if (!o->type->print(o, c, option_field_const(o, section), 0, value))
        return UNSET;
    if (!o->def || !o->type->print(o, c, option_field_const(o, defaults), 0, def))
        return SET;
    return strcmp(value, def) == 0 ? DEFAULT : SET;
}

/* One group's options in the table's order, below its comment. */
static void say_group(struct text *t, const struct config *c, enum option_section s, const void *section,
                      const void *defaults, enum group group)
{
    static const char *const comments[] = {[SET] = "", [DEFAULT] = "# defaults\n", [UNSET] = "# not set\n"};
    const char *comment = comments[group];

    for (const struct option *o = option_begin(s), *end = option_end(s); o < end; o++) {
        char value[OPTION_TEXT_MAX];

        if (o->type == &option_type_include || group_of(c, o, section, defaults) != group)
            continue;
        say(t, comment);
        comment = "";
        if (group == UNSET) {
            say(t, "# ");
            say(t, o->key);
            say(t, "\n");
        }
        for (uint32_t i = 0; o->type->print(o, c, option_field_const(o, section), i, value); i++)
            say_option(t, o, value);
    }
}

static void say_section(struct text *t, const struct config *c, enum option_section s, const char *name,
                        const void *section, const void *defaults)
{
    if (t->len > 0)
        say(t, "\n");
    say(t, "[");
    say(t, option_section_name(s));
    say(t, name ? " " : "");
    say(t, name ? name : "");
    say(t, "]\n");
    say_group(t, c, s, section, defaults, SET);
    say_group(t, c, s, section, defaults, DEFAULT);
    say_group(t, c, s, section, defaults, UNSET);
}

struct defaults {
    struct config_global global;
    struct config_listener listener;
    struct config_pool pool;
    struct config_backend backend;
};

static bool defaults_init(struct defaults *d)
{
    *d = (struct defaults){0};
    return option_defaults(OPTION_GLOBAL, &d->global) && option_defaults(OPTION_LISTENER, &d->listener) &&
           option_defaults(OPTION_POOL, &d->pool) && option_defaults(OPTION_BACKEND, &d->backend);
}

static void defaults_fini(struct defaults *d)
{
    option_fini(OPTION_GLOBAL, &d->global);
    option_fini(OPTION_LISTENER, &d->listener);
    option_fini(OPTION_POOL, &d->pool);
    option_fini(OPTION_BACKEND, &d->backend);
}

char *config_print(const struct config *c, size_t *len)
{
    struct text t = {0};
    struct defaults d;

    t.failed = !defaults_init(&d);
    if (!t.failed)
        say_section(&t, c, OPTION_GLOBAL, NULL, &c->global, &d.global);
    for (uint32_t i = 0; i < c->n_listeners && !t.failed; i++)
        say_section(&t, c, OPTION_LISTENER, c->listeners[i].name, &c->listeners[i], &d.listener);
    for (uint32_t i = 0; i < c->n_pools && !t.failed; i++)
        say_section(&t, c, OPTION_POOL, c->pools[i].name, &c->pools[i], &d.pool);
    for (uint32_t i = 0; i < c->n_backends && !t.failed; i++)
        say_section(&t, c, OPTION_BACKEND, c->backends[i].name, &c->backends[i], &d.backend);
    defaults_fini(&d);
    if (t.failed) {
        free(t.bytes);
        return NULL;
    }
    *len = t.len;
    return t.bytes;
}
