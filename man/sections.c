#include "sections.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "algo/algo.h"
#include "config/config.h"
#include "director/admin_commands.h"
#include "mdoc.h"
#include "proto/close_reason.h"
#include "proto/conn_state.h"

#define VALUES_MAX 512

struct job {
    FILE *to;
    const char *argument, *source_dir;
    unsigned written;
    const char *why;
};

static void begin_list(FILE *to)
{
    fputs(".Bl -tag -width Ds\n", to);
}

static void item(struct job *j, const char *word, const char *text)
{
    fputs(".It Cm", j->to);
    mdoc_argument(j->to, word);
    fputc('\n', j->to);
    mdoc_sentence(j->to, text);
    j->written++;
}

static void end_list(struct job *j)
{
    fputs(".El\n", j->to);
    if (!j->written)
        j->why = "nothing of that kind is in the table";
}

/* ---- options of one section of the configuration ---- */

static void one_option(void *ctx, const struct config_option_info *o)
{
    struct job *j = ctx;
    char text[VALUES_MAX];

    if (strcmp(o->section, j->argument) != 0)
        return;
    fputs(".It Ic", j->to);
    mdoc_argument(j->to, o->key);
    if (o->def) {
        fputs(" Pq default Cm", j->to);
        mdoc_argument(j->to, o->def);
    } else if (o->required) {
        fputs(" Pq required", j->to);
    }
    fputc('\n', j->to);
    mdoc_sentence(j->to, o->help);
    if (snprintf(text, sizeof text, "Value: %s.", o->values) >= (int)sizeof text)
        j->why = "a value's description is too long";
    mdoc_text(j->to, text);
    if (o->repeatable)
        mdoc_text(j->to, "Several are separated by commas, or the key is repeated.");
    j->written++;
}

static void options(struct job *j)
{
    begin_list(j->to);
    config_options_each(one_option, j);
    end_list(j);
}

/* ---- the other tables ---- */

static void algorithms(struct job *j)
{
    begin_list(j->to);
    for (size_t i = 0; algo_list[i]; i++)
        item(j, algo_list[i]->name, algo_list[i]->help);
    end_list(j);
}

static void commands(struct job *j)
{
    begin_list(j->to);
    for (unsigned i = 0; i < admin_commands_n; i++) {
        mdoc_pattern(j->to, admin_commands[i].pattern);
        mdoc_sentence(j->to, admin_commands[i].help);
        j->written++;
    }
    end_list(j);
}

static void reasons(struct job *j)
{
    bool reject = strcmp(j->argument, "reject") == 0;

    begin_list(j->to);
    for (int r = CLOSE_REASON_NONE + 1; r < CLOSE_REASON_COUNT; r++)
        if (close_reason_is_reject((enum close_reason)r) == reject)
            item(j, close_reason_name((enum close_reason)r), close_reason_text((enum close_reason)r));
    end_list(j);
}

static void states(struct job *j)
{
    static const struct {
        const char *word, *text;
    } ROWS[] = {
#define X(name, word, next, text) {word, text},
        CONN_STATES(X)
#undef X
    };

    begin_list(j->to);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        item(j, ROWS[i].word, ROWS[i].text);
    end_list(j);
}

/* ---- what is no table ---- */

static void os(struct job *j)
{
    fprintf(j->to, ".Os wslb %s\n", WSLB_VERSION);
}

static void examples(struct job *j)
{
    fputs(".It Pa", j->to);
    mdoc_argument(j->to, WSLB_EXAMPLES);
    fputc('\n', j->to);
}

/* A file of the source as it is, so that an example in the manual is one that is tested. */
static void file(struct job *j)
{
    char path[PATH_MAX], *line = NULL;
    size_t cap = 0;
    FILE *in;

    if (snprintf(path, sizeof path, "%s/%s", j->source_dir, j->argument) >= (int)sizeof path) {
        j->why = "the path is too long";
        return;
    }
    in = fopen(path, "r");
    if (!in) {
        j->why = strerror(errno);
        return;
    }
    fputs(".Bd -literal -offset indent\n", j->to);
    while (getline(&line, &cap, in) > 0)
        mdoc_literal(j->to, line);
    fputs(".Ed\n", j->to);
    if (ferror(in))
        j->why = strerror(errno);
    free(line);
    fclose(in);
}

static const struct {
    const char *name;
    void (*write)(struct job *j);
    const char *const arguments[5]; /* NULL first: none is taken, or it is the function's business */
} SECTIONS[] = {
    {"options", options, {"global", "listener", "pool", "backend"}},
    {"algorithms", algorithms, {NULL}},
    {"commands", commands, {NULL}},
    {"reasons", reasons, {"reject", "close"}},
    {"states", states, {NULL}},
    {"os", os, {NULL}},
    {"examples", examples, {NULL}},
    {"file", file, {NULL}},
};

const char *sections_write(FILE *to, const char *name, const char *argument, const char *source_dir)
{
    struct job j = {.to = to, .argument = argument, .source_dir = source_dir};

    for (size_t i = 0; i < sizeof SECTIONS / sizeof SECTIONS[0]; i++) {
        const char *const *right = SECTIONS[i].arguments;

        if (strcmp(SECTIONS[i].name, name) != 0)
            continue;
        while (*right && strcmp(*right, argument) != 0)
            right++;
        if (SECTIONS[i].arguments[0] && !*right)
            return "there is no such part of it";
        SECTIONS[i].write(&j);
        return j.why;
    }
    return "there is no such section";
}
