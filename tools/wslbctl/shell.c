#include "shell.h"

#include <errno.h>
#include <histedit.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <wchar.h>

#define HISTORY_LINES 1000

/* ---- lines from a pipe ---- */

static bool is_empty(const char *line)
{
    return line[strspn(line, " \t;")] == '\0';
}

int shell_batch(struct session *s, struct paint *paint)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    int status = EXIT_FINE;
    enum session_verdict v = SESSION_FINE;

    while (v != SESSION_ENDED && v != SESSION_LOST && (n = getline(&line, &cap, stdin)) > 0) {
        if (strlen(line) != (size_t)n) {
            paint_error(paint, "the line holds a control byte");
            status = EXIT_ANSWER;
            continue;
        }
        line[strcspn(line, "\r\n")] = '\0';
        if (is_empty(line))
            continue;
        v = session_ask(s, line, paint);
        if (v == SESSION_ERROR)
            status = EXIT_ANSWER;
    }
    if (v != SESSION_ENDED && v != SESSION_LOST && ferror(stdin)) {
        fprintf(stderr, "wslbctl: can't read stdin: %s\n", strerror(errno));
        status = EXIT_USAGE;
    }
    free(line);
    return v == SESSION_LOST ? EXIT_CONNECTION : status;
}

/* ---- lines from a terminal ---- */

static char *prompt(EditLine *el)
{
    static char text[] = "wslb> ";

    (void)el;
    return text;
}

/* Ctrl-C gives the line up, not the program. */
static unsigned char drop_line(EditLine *el, int ch)
{
    const LineInfo *l = el_line(el);

    (void)ch;
    el_cursor(el, (int)(l->lastchar - l->cursor));
    el_deletestr(el, (int)(l->lastchar - l->buffer));
    return CC_REFRESH;
}

/* false: there is no place for it. */
static bool history_path(char out[PATH_MAX])
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n;

    if (state && state[0] == '/')
        n = snprintf(out, PATH_MAX, "%s/wslbctl_history", state);
    else if (home && home[0] == '/')
        n = snprintf(out, PATH_MAX, "%s/.wslbctl_history", home);
    else
        return false;
    return n > 0 && n < PATH_MAX;
}

struct shell {
    EditLine *el;
    History *history;
    char path[PATH_MAX];
    bool keeps;
};

static bool shell_open(struct shell *sh)
{
    HistEvent ev;

    sh->el = el_init("wslbctl", stdin, stdout, stderr);
    sh->history = history_init();
    if (!sh->el || !sh->history)
        return false;
    sh->keeps = history_path(sh->path);
    history(sh->history, &ev, H_SETSIZE, HISTORY_LINES);
    history(sh->history, &ev, H_SETUNIQUE, 1);
    if (sh->keeps)
        history(sh->history, &ev, H_LOAD, sh->path); /* there may be none yet */
    el_set(sh->el, EL_PROMPT, prompt);
    el_set(sh->el, EL_EDITOR, "emacs");
    el_set(sh->el, EL_HIST, history, sh->history);
    el_set(sh->el, EL_SIGNAL, 1);
    el_wset(sh->el, EL_ADDFN, L"wslbctl-drop-line", L"gives the line up", drop_line); /* el_set would leak */
    el_set(sh->el, EL_SETTY, "-d", "-isig", NULL);
    el_set(sh->el, EL_BIND, "^C", "wslbctl-drop-line", NULL);
    el_source(sh->el, NULL); /* ~/.editrc has the last word */
    return true;
}

static void shell_close(struct shell *sh)
{
    if (sh->history)
        history_end(sh->history);
    if (sh->el)
        el_end(sh->el);
}

/* Written after each line, so that no signal loses it. Commands are nobody else's business: mode 0600. */
static void remember(struct shell *sh, const char *line)
{
    HistEvent ev;
    mode_t before;

    if (is_empty(line))
        return;
    history(sh->history, &ev, H_ENTER, line);
    if (!sh->keeps)
        return;
    before = umask(077);
    history(sh->history, &ev, H_SAVE, sh->path);
    umask(before);
}

int shell_interactive(struct session *s, struct paint *paint)
{
    struct shell sh = {0};
    enum session_verdict v = SESSION_FINE;
    const char *got;
    int n;

    if (!shell_open(&sh)) {
        fprintf(stderr, "wslbctl: the terminal can't be used: %s\n", strerror(errno));
        shell_close(&sh);
        return EXIT_USAGE;
    }
    while (v != SESSION_ENDED && (got = el_gets(sh.el, &n)) && n > 0) {
        char *line = strndup(got, strcspn(got, "\r\n"));

        if (!line)
            break;
        if (!is_empty(line)) {
            remember(&sh, line);
            v = session_ask(s, line, paint);
        }
        free(line);
    }
    if (v != SESSION_ENDED)
        putchar('\n'); /* behind the prompt that Ctrl-D has ended */
    shell_close(&sh);
    return EXIT_FINE;
}
