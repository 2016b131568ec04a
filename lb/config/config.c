#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_check.h"
#include "config/config_errors.h"
#include "config/draft.h"
#include "config/options.h"

/* A config while it is made of a draft. */
struct build {
    struct config *c;
    struct draft *d;
    struct config_errors *errors;
    struct option_pools pools;
};

#define fail(b, s, line, ...) config_errors_add((b)->errors, (b)->d->files[(s)->file], line, __VA_ARGS__)

static int find_pool(void *ctx, const char *name, const char **nearest)
{
    const struct draft_section *s = draft_find(ctx, OPTION_POOL, name, nearest);

    return s ? (int)s->index : -1;
}

static void set_values(struct build *b, const struct draft_section *s, void *section)
{
    char error[OPTION_ERROR_MAX];

    for (uint32_t i = 0; i < s->n_entries; i++) {
        const struct draft_entry *e = &s->entries[i];
        struct option_value v = {
            .text = e->text, .file = b->d->files[e->file], .line = e->line, .pools = &b->pools};

        if (!e->option->type->parse(e->option, &v, option_field(e->option, section), error))
            config_errors_add(b->errors, b->d->files[e->file], e->line, "%s: %s", e->option->key, error);
    }
}

/* The name of the only pool there is, for a hint. */
static const char *only_pool(const struct draft *d)
{
    if (d->counts[OPTION_POOL] != 1)
        return "NAME";
    for (uint32_t i = 0; i < d->n_sections; i++)
        if (d->sections[i]->kind == OPTION_POOL && !d->sections[i]->dropped)
            return d->sections[i]->name;
    return "NAME";
}

static void check_required(struct build *b, const struct draft_section *s)
{
    for (const struct option *o = option_begin(s->kind), *end = option_end(s->kind); o < end; o++) {
        if (!o->required || (s->said & draft_bit(o)))
            continue;
        fail(b, s, s->line, "[%s %s] lacks \"%s\"; right is, for example, \"%s = %s\"",
             option_section_name(s->kind), s->name, o->key, o->key,
             o->type == &option_type_pool ? only_pool(b->d) : "10.0.0.1:80");
    }
}

/* Defaults, then what was said. */
static void fill(struct build *b, const struct draft_section *s, void *section)
{
    if (!option_defaults(s->kind, section))
        fail(b, s, s->line, "out of memory");
    set_values(b, s, section);
    if (!s->empty) /* an error already */
        check_required(b, s);
}

static struct config_place place_of(const struct build *b, const struct draft_section *s)
{
    return (struct config_place){.file = b->d->files[s->file], .line = s->line};
}

static void build_section(struct build *b, const struct draft_section *s)
{
    switch (s->kind) {
    case OPTION_GLOBAL:
        set_values(b, s, &b->c->global);
        break;
    case OPTION_LISTENER: {
        struct config_listener *l = &b->c->listeners[s->index];

        strcpy(l->name, s->name);
        l->place = place_of(b, s);
        fill(b, s, l);
        break;
    }
    case OPTION_POOL: {
        struct config_pool *p = &b->c->pools[s->index];

        strcpy(p->name, s->name);
        p->place = place_of(b, s);
        fill(b, s, p);
        break;
    }
    case OPTION_BACKEND: {
        struct config_backend *k = &b->c->backends[s->index];
        const struct draft_entry *address = draft_entry_of(s, option_find(OPTION_BACKEND, "address"));

        strcpy(k->name, s->name);
        k->place = place_of(b, s);
        k->address_line = address ? address->line : 0;
        fill(b, s, k);
        break;
    }
    case OPTION_SECTIONS:
        break;
    }
}

static void check_smallest(struct build *b, const char *name)
{
    const uint32_t *headers = b->d->headers;
    bool listener = headers[OPTION_LISTENER] > 0, pool = headers[OPTION_POOL] > 0;
    bool backend = headers[OPTION_BACKEND] > 0;

    if (b->d->incomplete || (listener && pool && backend))
        return;
    config_errors_add(b->errors, name, 1,
                      "the smallest useful config is a listener, a pool and its backends; lacking:%s%s%s",
                      listener ? "" : " [listener NAME]", pool ? "" : " [pool NAME]",
                      backend ? "" : " [backend NAME]");
}

static bool make_room(struct build *b)
{
    struct config *c = b->c;
    const uint32_t *counts = b->d->counts;

    c->listeners = calloc(counts[OPTION_LISTENER] + 1u, sizeof(*c->listeners));
    c->pools = calloc(counts[OPTION_POOL] + 1u, sizeof(*c->pools));
    c->backends = calloc(counts[OPTION_BACKEND] + 1u, sizeof(*c->backends));
    if (!c->listeners || !c->pools || !c->backends)
        return false;
    c->n_listeners = counts[OPTION_LISTENER];
    c->n_pools = counts[OPTION_POOL];
    c->n_backends = counts[OPTION_BACKEND];
    return option_defaults(OPTION_GLOBAL, &c->global);
}

/* The config owns the files' names from now on. */
static void take_files(struct config *c, struct draft *d)
{
    c->files = d->files;
    c->n_files = d->n_files;
    d->files = NULL;
    d->n_files = 0;
}

static struct config *build(struct draft *d, const char *name, struct config_errors *errors)
{
    struct build b = {.d = d, .errors = errors, .pools = {find_pool, d}};

    b.c = calloc(1, sizeof(*b.c));
    if (!b.c || !make_room(&b)) {
        config_errors_add(errors, name, 1, "out of memory");
        config_free(b.c);
        return NULL;
    }
    for (uint32_t i = 0; i < d->n_sections; i++)
        if (!d->sections[i]->dropped)
            build_section(&b, d->sections[i]);
    check_smallest(&b, name);
    config_check(b.c, errors);
    take_files(b.c, d);
    return b.c;
}

/* `d` has been read; it is of no more use afterwards. */
static struct config *finish(struct draft *d, const char *name, unsigned errors_before)
{
    struct config_errors *errors = d->errors;
    struct config *c = NULL;

    if (d->n_files > 0) /* else it couldn't be read at all */
        c = build(d, name, errors);
    if (c)
        config_errors_sort(errors, c->files, c->n_files);
    draft_fini(d);
    if (errors->n > errors_before) {
        config_free(c);
        return NULL;
    }
    return c;
}

struct config *config_load(const char *path, struct config_errors *errors)
{
    unsigned errors_before = errors->n;
    struct draft d;

    draft_init(&d, errors);
    draft_read_file(&d, path);
    return finish(&d, path, errors_before);
}

struct config *config_parse(const char *text, size_t len, const char *name, struct config_errors *errors)
{
    unsigned errors_before = errors->n;
    struct draft d;

    draft_init(&d, errors);
    draft_read_text(&d, text, len, name);
    return finish(&d, name, errors_before);
}

void config_free(struct config *c)
{
    if (!c)
        return;
    option_fini(OPTION_GLOBAL, &c->global);
    for (uint32_t i = 0; i < c->n_listeners; i++)
        option_fini(OPTION_LISTENER, &c->listeners[i]);
    for (uint32_t i = 0; i < c->n_pools; i++)
        option_fini(OPTION_POOL, &c->pools[i]);
    for (uint32_t i = 0; i < c->n_backends; i++)
        option_fini(OPTION_BACKEND, &c->backends[i]);
    for (uint32_t i = 0; i < c->n_files; i++)
        free(c->files[i]);
    free(c->listeners);
    free(c->pools);
    free(c->backends);
    free(c->files);
    free(c);
}

int config_find_pool(const struct config *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_pools; i++)
        if (strcmp(c->pools[i].name, name) == 0)
            return (int)i;
    return -1;
}

int config_find_listener(const struct config *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_listeners; i++)
        if (strcmp(c->listeners[i].name, name) == 0)
            return (int)i;
    return -1;
}

int config_find_backend(const struct config *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_backends; i++)
        if (strcmp(c->backends[i].name, name) == 0)
            return (int)i;
    return -1;
}
