#include "config/config_check.h"

#include <ctype.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An address that a listener says, in the form that two spellings of it share. */
struct bind {
    char text[ADDRESS_TEXT_MAX];
    const struct config_place *place;
    uint32_t line;
    const char *listener;
};

static int compare_binds(const void *a, const void *b)
{
    const struct bind *x = a, *y = b;

    return strcmp(x->text, y->text);
}

static void write_canonical(const char *said, char out[ADDRESS_TEXT_MAX])
{
    char error[256];
    struct address a;

    if (address_parse(said, false, &a, error, sizeof(error))) {
        address_format(&a, out);
        return;
    }
    snprintf(out, ADDRESS_TEXT_MAX, "%s", said);
    for (char *p = out; *p; p++)
        *p = (char)tolower((unsigned char)*p);
}

static size_t count_binds(const struct config *c)
{
    size_t n = 0;

    for (uint32_t i = 0; i < c->n_listeners; i++)
        n += c->listeners[i].binds.n;
    return n;
}

static void fail_twice(const struct bind *b, const struct bind *first, const char *said,
                       struct config_errors *errors)
{
    config_errors_add(errors, b->place->file, b->line,
                      "bind: %s is bound a second time; the first is at %s:%u (listener %s)", said,
                      first->place->file, first->line, first->listener);
}

static void check_listener_binds(const struct config_listener *l, struct bind *binds, void **tree,
                                 struct config_errors *errors)
{
    for (uint32_t i = 0; i < l->binds.n; i++) {
        struct bind *b = &binds[i];
        void *node;

        write_canonical(l->binds.items[i], b->text);
        b->place = &l->place;
        b->line = l->binds.lines[i];
        b->listener = l->name;
        node = tsearch(b, tree, compare_binds);
        if (!node)
            config_errors_add(errors, b->place->file, b->line, "out of memory");
        else if (*(struct bind *const *)node != b)
            fail_twice(b, *(struct bind *const *)node, l->binds.items[i], errors);
    }
}

static void keep_bind(void *b)
{
    (void)b;
}

static void check_binds(const struct config *c, struct config_errors *errors)
{
    size_t n = count_binds(c), at = 0;
    struct bind *binds;
    void *tree = NULL;

    if (n == 0)
        return;
    binds = calloc(n, sizeof(*binds));
    if (!binds) {
        config_errors_add(errors, c->listeners[0].place.file, c->listeners[0].place.line, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < c->n_listeners; i++) {
        check_listener_binds(&c->listeners[i], binds + at, &tree, errors);
        at += c->listeners[i].binds.n;
    }
    tdestroy(tree, keep_bind);
    free(binds);
}

static void check_admin_socket(const struct config *c, struct config_errors *errors)
{
    for (uint32_t i = 0; i < c->n_listeners; i++) {
        const struct config_list *binds = &c->listeners[i].binds;

        for (uint32_t k = 0; k < binds->n; k++)
            if (strncmp(binds->items[k], "unix:", 5) == 0 && c->global.admin_socket &&
                strcmp(binds->items[k] + 5, c->global.admin_socket) == 0)
                config_errors_add(errors, c->listeners[i].place.file, binds->lines[k],
                                  "bind: %s is the admin socket's path; right is one of its own",
                                  binds->items[k]);
    }
}

static void check_backends(const struct config *c, struct config_errors *errors)
{
    const struct config_backend *b;

    if (c->n_backends <= c->global.max_backends)
        return;
    b = &c->backends[c->global.max_backends];
    config_errors_add(
        errors, b->place.file, b->place.line,
        "[backend %s] is one too many: there are %u backends, and max_backends in [global] is %u", b->name,
        c->n_backends, c->global.max_backends);
}

void config_check(const struct config *c, struct config_errors *errors)
{
    check_binds(c, errors);
    check_admin_socket(c, errors);
    check_backends(c, errors);
}
