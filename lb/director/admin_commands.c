#include "director/admin_commands.h"

#include <stdio.h>
#include <string.h>

#include "config/spelling.h"
#include "director/admin_actions.h"
#include "director/sessions.h"
#include "director/show.h"

static void help(struct command *c);
static void prompt(struct command *c);
static void quit(struct command *c);

/* clang-format off */
const struct admin_command admin_commands[] = {
    {"help",                                     "all commands; `json` before one makes its answer JSON, `;` joins several", help},
    {"show info",                                "the program and its totals",                                 show_info},
    {"show pools",                               "pools",                                                      show_pools},
    {"show backends [POOL]",                     "backends, of one pool or of all",                            show_backends},
    {"show backend NAME",                        "all that is known of a backend",                             show_backend},
    {"show listeners",                           "listeners",                                                  show_listeners},
    {"show workers",                             "the processes that hold connections",                        show_workers},
    {"show sessions [pool P] [backend B] [source IP] [limit N]", "connections, 100 unless a limit is given",  sessions_show},
    {"show session ID",                          "all that is known of a connection",                          sessions_show_one},
    {"show config",                              "the configuration in force, without run-time changes",       show_config},
    {"set backend NAME state ready|drain|maint", "who gets new connections: drain and maint get none",         admin_set_state},
    {"set backend NAME weight N",                "its share, 0 to 256",                                        admin_set_weight},
    {"set backend NAME max_connections N",       "how many it may hold; 0 or off: no limit",                   admin_set_max_connections},
    {"close session ID [CODE]",                  "ends a connection by a Close, with the pool's close_code unless one is given", admin_close_session},
    {"restart worker N",                         "a successor takes its place and its connections, and it leaves", admin_restart_worker},
    {"stop",                                     "stops the program as TERM does",                             admin_stop},
    {"prompt",                                   "keeps this connection open; every answer then ends with an empty line", prompt},
    {"quit",                                     "ends this connection",                                       quit},
};
/* clang-format on */
const unsigned admin_commands_n = sizeof admin_commands / sizeof admin_commands[0];

static void help(struct command *c)
{
    static const char *const columns[] = {"command", "help", NULL};

    answer_list(&c->answer, columns);
    for (unsigned i = 0; i < admin_commands_n; i++) {
        answer_row(&c->answer);
        answer_str(&c->answer, "command", admin_commands[i].pattern);
        answer_str(&c->answer, "help", admin_commands[i].help);
        answer_row_end(&c->answer);
    }
}

static void prompt(struct command *c)
{
    c->prompt = true;
    answer_ok(&c->answer);
}

static void quit(struct command *c)
{
    c->quit = true;
    answer_ok(&c->answer);
}

/* ---- what can't be run ---- */

#define SAID_MAX 256u

/* Appends with `between` before it, and quietly cuts: it is for messages. */
static void append(char *out, size_t cap, const char *between, const char *text)
{
    size_t len = strlen(out);

    snprintf(out + len, cap - len, "%s%s", len ? between : "", text);
}

/* Of the commands that begin so, those are shown that go on with what was said for longest. */
static void wrong_arguments(struct command *c, char *const *words, unsigned n)
{
    char usage[512] = "";
    const char *args[ADMIN_ARGS_MAX];
    unsigned fits, most = 0;

    for (unsigned i = 0; i < admin_commands_n; i++) {
        const char *pattern = admin_commands[i].pattern;

        if (admin_pattern_match(pattern, words, n, args, &fits) != ADMIN_MATCH_NAME || fits < most)
            continue;
        if (fits > most)
            usage[0] = '\0';
        most = fits;
        append(usage, sizeof usage, "; or: ", pattern);
    }
    answer_error(&c->answer, "usage: %s", usage);
}

/* A command's first words, and no more. */
static bool unfinished(struct command *c, const char *said)
{
    char could[768] = "";
    size_t len = strlen(said);

    for (unsigned i = 0; i < admin_commands_n; i++) {
        const char *pattern = admin_commands[i].pattern;

        if (strncmp(pattern, said, len) == 0 && pattern[len] == ' ')
            append(could, sizeof could, "; or: ", pattern);
    }
    if (could[0])
        answer_error(&c->answer, "usage: %s", could);
    return could[0];
}

static void first_words(char *out, size_t cap, char *const *words, unsigned n)
{
    out[0] = '\0';
    for (unsigned i = 0; i < n; i++)
        append(out, cap, " ", words[i]);
}

/* The first n words of a name, in place. */
static void shorten(char *name, unsigned n)
{
    while (*name && (*name != ' ' || --n > 0))
        name++;
    *name = '\0';
}

/* Compares as many first words as both have; of equally near ones the longest is meant. */
static void unknown(struct command *c, char *const *words, unsigned n)
{
    char said[SAID_MAX], all[SAID_MAX], name[ADMIN_PATTERN_NAME], best_name[ADMIN_PATTERN_NAME];
    const char *best = NULL;
    unsigned best_cost = 0, best_words = 0;

    first_words(all, sizeof all, words, n < 4 ? n : 4);
    if (unfinished(c, all))
        return;
    for (unsigned i = 0; i < admin_commands_n; i++) {
        unsigned in_name = admin_pattern_name(admin_commands[i].pattern, name);
        unsigned compared = n < in_name ? n : in_name;
        struct spelling s;

        first_words(said, sizeof said, words, compared);
        shorten(name, compared);
        spelling_init(&s, said);
        spelling_try(&s, name);
        if (!s.best ||
            (best && (s.best_cost > best_cost || (s.best_cost == best_cost && compared <= best_words))))
            continue;
        memcpy(best_name, name, sizeof name);
        best = compared == in_name ? admin_commands[i].pattern : best_name;
        best_cost = s.best_cost;
        best_words = compared;
    }
    if (best)
        answer_error(&c->answer, "unknown command \"%.64s\"; did you mean \"%s\"?", all, best);
    else
        answer_error(&c->answer, "unknown command \"%.64s\"; \"help\" lists all", all);
}

static void run(struct command *c, const struct admin_command *command)
{
    c->running = true;
    command->run(c);
    c->running = false;
}

void admin_commands_run(struct command *c, struct text_budget *budget, char *const *words, unsigned n)
{
    bool json = strcmp(words[0], "json") == 0, named = false;

    answer_init(&c->answer, json, budget);
    if (json) {
        words++;
        n--;
    }
    if (n == 0) {
        answer_error(&c->answer, "json takes a command, as in \"json show backends\"");
        return;
    }
    for (unsigned i = 0; i < admin_commands_n; i++) {
        unsigned fits;
        enum admin_match m = admin_pattern_match(admin_commands[i].pattern, words, n, c->arg, &fits);

        if (m == ADMIN_MATCH_WHOLE) {
            run(c, &admin_commands[i]);
            return;
        }
        named = named || m == ADMIN_MATCH_NAME;
    }
    if (named)
        wrong_arguments(c, words, n);
    else
        unknown(c, words, n);
}
