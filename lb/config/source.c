#include "config/source.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/expand.h"
#include "config/ini_reader.h"
#include "config/spelling.h"

#define fail(src, line, ...)                                                                                 \
    config_errors_add((src)->d->errors, (src)->d->files[(src)->file], line, __VA_ARGS__)

static void fail_memory(const struct source *src, uint32_t line)
{
    src->d->incomplete = true;
    fail(src, line, "out of memory");
}

static void leave_section(struct source *src)
{
    if (src->section && !src->section_said && src->section->kind != OPTION_POOL && !src->section->dropped)
        fail(src, src->section_line, "[%s%s%s] is empty; right is at least one key, or no section",
             option_section_name(src->section->kind), src->section->name[0] ? " " : "", src->section->name);
    src->section = NULL;
    src->headless = false;
    src->section_said = false;
}

static struct draft_section *section_new(struct source *src, enum option_section kind, const char *name,
                                         uint32_t line)
{
    struct draft *d = src->d;
    struct draft_section **sections = draft_grown(d->sections, d->n_sections, sizeof(*sections));
    struct draft_section *s = calloc(1, sizeof(*s));

    if (sections)
        d->sections = sections;
    if (!sections || !s) {
        free(s);
        fail_memory(src, line);
        return NULL;
    }
    s->kind = kind;
    s->file = src->file;
    s->line = line;
    s->empty = true;
    if (strlen(name) <= CONFIG_NAME_MAX)
        strcpy(s->name, name);
    d->sections[d->n_sections++] = s;
    d->headers[kind]++;
    return s;
}

static bool check_name(const struct source *src, uint32_t line, const char *kind, const char *name)
{
    static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(name);

    if (len == 0)
        fail(src, line, "[%s] lacks a name; right is [%s NAME]", kind, kind);
    else if (name[strspn(name, chars)])
        fail(src, line, "[%s %s]: a name is made of letters, digits, '.', '_' and '-'", kind, name);
    else if (len > CONFIG_NAME_MAX)
        fail(src, line, "[%s %s]: the name has %zu bytes, the limit is %d", kind, name, len, CONFIG_NAME_MAX);
    else
        return true;
    return false;
}

static bool check_count(const struct source *src, const struct draft_section *s)
{
    static const uint32_t limits[OPTION_SECTIONS] = {1, CONFIG_LISTENERS_MAX, CONFIG_POOLS_MAX,
                                                     CONFIG_BACKENDS_MAX};

    if (src->d->counts[s->kind] < limits[s->kind])
        return true;
    fail(src, s->line, "[%s %s] is one too many; the limit is %u", option_section_name(s->kind), s->name,
         limits[s->kind]);
    return false;
}

/* Enters the section into the tree of names, unless another has its name. */
static bool claim_name(const struct source *src, struct draft_section *s)
{
    struct draft *d = src->d;
    void *node = tsearch(s, &d->names, draft_compare);
    const struct draft_section *first;

    if (!node) {
        fail_memory(src, s->line);
        return false;
    }
    first = *(struct draft_section *const *)node;
    if (first == s)
        return true;
    fail(src, s->line, "[%s %s] stands here a second time; the first is at %s:%u",
         option_section_name(s->kind), s->name, d->files[first->file], first->line);
    return false;
}

static void open_named(struct source *src, enum option_section kind, const char *name, uint32_t line)
{
    struct draft_section *s = section_new(src, kind, name, line);

    if (!s)
        return;
    s->dropped = !check_name(src, line, option_section_name(kind), name) || !check_count(src, s) ||
                 !claim_name(src, s);
    if (!s->dropped)
        s->index = src->d->counts[kind]++;
    src->section = s;
}

/* All files share one [global], but each says it once. */
static void open_global(struct source *src, const char *name, uint32_t line)
{
    struct draft *d = src->d;

    if (name[0])
        fail(src, line, "[global %s]: [global] takes no name", name);
    if (src->global_line)
        fail(src, line, "[global] stands here a second time; the first is at %s:%u", d->files[src->file],
             src->global_line);
    else
        src->global_line = line;
    if (!d->global)
        d->global = section_new(src, OPTION_GLOBAL, "", line);
    src->section = d->global;
}

static void fail_unknown_section(const struct source *src, uint32_t line, const char *kind, const char *name)
{
    struct spelling near;
    const char *blank = name[0] ? " " : "";

    spelling_init(&near, kind);
    for (int s = 0; s < OPTION_SECTIONS; s++)
        spelling_try(&near, option_section_name((enum option_section)s));
    if (near.best)
        fail(src, line, "unknown section [%s%s%s]; did you mean [%s%s%s]?", kind, blank, name, near.best,
             blank, name);
    else
        fail(src, line,
             "unknown section [%s%s%s]; there are [global], [listener NAME], [pool NAME] and [backend NAME]",
             kind, blank, name);
}

static void on_section(void *ctx, uint32_t line, const char *kind, const char *name)
{
    struct source *src = ctx;
    enum option_section section;

    leave_section(src);
    src->section_line = line;
    if (!kind)
        return;
    section = option_section_find(kind);
    if (section == OPTION_SECTIONS)
        fail_unknown_section(src, line, kind, name);
    else if (section == OPTION_GLOBAL)
        open_global(src, name, line);
    else
        open_named(src, section, name, line);
}

/* The value as it counts: expanded and trimmed. NULL: an error has been reported. */
static char *value_of(const struct source *src, uint32_t line, const char *key, const char *value)
{
    struct draft *d = src->d;
    char error[EXPAND_ERROR_MAX], *text = expand_env(value, d->bytes_max - d->value_bytes, error);
    size_t len, blanks;

    if (!text) {
        fail(src, line, "%s: %s", key, error);
        return NULL;
    }
    len = strlen(text);
    d->value_bytes += len;
    while (len > 0 && strchr(" \t", text[len - 1]))
        text[--len] = '\0';
    blanks = strspn(text, " \t");
    memmove(text, text + blanks, len - blanks + 1);
    if (text[0])
        return text;
    fail(src, line, "%s has no value; who wants the default leaves the key out", key);
    free(text);
    return NULL;
}

static void add_include(struct source *src, uint32_t line, char *pattern)
{
    struct source_include *includes;

    if (!src->may_include) {
        fail(src, line, "include: an effective configuration has no includes");
        free(pattern);
        return;
    }
    includes = draft_grown(src->includes, src->n_includes, sizeof(*includes));
    if (!includes) {
        fail_memory(src, line);
        free(pattern);
        return;
    }
    src->includes = includes;
    includes[src->n_includes++] = (struct source_include){pattern, line};
}

static void add_entry(struct source *src, struct draft_section *s, const struct option *o, uint32_t line,
                      char *text)
{
    struct draft_entry *entries = draft_grown(s->entries, s->n_entries, sizeof(*entries));

    if (!entries) {
        fail_memory(src, line);
        free(text);
        return;
    }
    s->entries = entries;
    entries[s->n_entries++] =
        (struct draft_entry){.option = o, .text = text, .file = src->file, .line = line};
}

static void fail_unknown_key(const struct source *src, uint32_t line, const char *key)
{
    const struct draft_section *s = src->section;
    char hint[OPTION_ERROR_MAX] = "";

    if (draft_hints_wanted(src->d))
        option_hint(s->kind, key, hint);
    fail(src, line, "unknown key \"%s\" in [%s%s%s]%s", key, option_section_name(s->kind),
         s->name[0] ? " " : "", s->name, hint);
}

static bool check_repeated(const struct source *src, const struct option *o, uint32_t line)
{
    const struct draft_section *s = src->section;
    const struct draft_entry *first;

    if (o->repeatable || !(s->said & draft_bit(o)))
        return true;
    first = draft_hints_wanted(src->d) ? draft_entry_of(s, o) : NULL;
    if (first)
        fail(src, line, "%s is said a second time; the first is at %s:%u", o->key, src->d->files[first->file],
             first->line);
    else
        fail(src, line, "%s is said a second time", o->key);
    return false;
}

static void on_value(void *ctx, uint32_t line, const char *key, const char *value)
{
    struct source *src = ctx;
    const struct option *o;
    char *text;

    if (src->headless)
        fail(src, line, "\"%s\" stands before the first section; right is [global] or another above it", key);
    src->headless = false; /* once is enough */
    if (!src->section)
        return;
    src->section_said = true;
    src->section->empty = false;
    o = option_find(src->section->kind, key);
    if (!o) {
        fail_unknown_key(src, line, key);
        return;
    }
    if (!check_repeated(src, o, line))
        return;
    src->section->said |= draft_bit(o);
    text = value_of(src, line, key, value);
    if (!text)
        return;
    if (o->type == &option_type_include)
        add_include(src, line, text);
    else
        add_entry(src, src->section, o, line, text);
}

static void on_error(void *ctx, uint32_t line, const char *text)
{
    struct source *src = ctx;

    src->section_said = true; /* a line that can't be read isn't an empty section */
    if (src->section)
        src->section->empty = false;
    fail(src, line, "%s", text);
}

void source_read(struct source *src, const char *text, size_t len)
{
    static const struct ini_reader_events events = {on_section, on_value, on_error};
    struct draft *d = src->d;
    uint32_t lines;

    src->headless = true;
    if (!ini_reader_run(text, len, d->lines_max - d->lines, &lines, &events, src))
        d->incomplete = true;
    d->lines += lines;
    leave_section(src);
}

void source_fini(struct source *src)
{
    for (uint32_t i = 0; i < src->n_includes; i++)
        free(src->includes[i].pattern);
    free(src->includes);
    src->includes = NULL;
    src->n_includes = 0;
}
