#include "config/config_errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 1024 /* bytes of one error */

static bool append(struct config_errors *e, const char *line, size_t len)
{
    char *text = realloc(e->text, e->len + len + 1);

    if (!text)
        return false;
    memcpy(text + e->len, line, len);
    text[e->len + len] = '\0';
    e->text = text;
    e->len += len;
    return true;
}

/* Drops the last line, which says how many more there were. */
static void drop_last_line(struct config_errors *e)
{
    const char *newline;

    if (e->len == 0)
        return;
    newline = memrchr(e->text, '\n', e->len - 1);
    e->len = newline ? (size_t)(newline - e->text) + 1 : 0;
    e->text[e->len] = '\0';
}

/* What the file holds goes to a terminal: no escape sequence, no line break. */
static void make_harmless(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = '?';
}

/* The length of what snprintf wrote into `cap` bytes, cut or not. */
static size_t written(int n, size_t cap)
{
    if (n < 0)
        return 0;
    return (size_t)n < cap ? (size_t)n : cap - 1;
}

static size_t count_line(char *out, size_t cap, unsigned more)
{
    return written(snprintf(out, cap, "... and %u more error%s\n", more, more == 1 ? "" : "s"), cap);
}

void config_errors_add(struct config_errors *e, const char *file, uint32_t line, const char *fmt, ...)
{
    char text[TEXT_MAX];
    size_t len;
    va_list ap;

    e->n++;
    if (e->n > CONFIG_ERRORS_SHOWN) {
        if (e->n > CONFIG_ERRORS_SHOWN + 1)
            drop_last_line(e);
        len = count_line(text, sizeof(text), e->n - CONFIG_ERRORS_SHOWN);
        append(e, text, len);
        return;
    }
    if (line)
        len = written(snprintf(text, sizeof(text) / 2, "%s:%u: ", file, line), sizeof(text) / 2);
    else
        len = written(snprintf(text, sizeof(text) / 2, "%s: ", file), sizeof(text) / 2);
    va_start(ap, fmt);
    len += written(vsnprintf(text + len, sizeof(text) - len - 1, fmt, ap), sizeof(text) - len - 1);
    va_end(ap);
    make_harmless(text);
    text[len] = '\n';
    text[len + 1] = '\0';
    append(e, text, len + 1);
}

struct line {
    const char *text;
    size_t len;
    uint64_t order; /* file and line; equal ones stay as they are */
    size_t index;
};

static int compare_lines(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static uint64_t order_of(const char *text, char *const *files, uint32_t n_files)
{
    for (uint32_t i = 0; i < n_files; i++) {
        size_t len = strlen(files[i]);

        if (strncmp(text, files[i], len) == 0 && text[len] == ':' && text[len + 1] >= '0' &&
            text[len + 1] <= '9')
            return ((uint64_t)i + 1) << 32 | (uint32_t)strtoul(text + len + 1, NULL, 10);
    }
    return 0;
}

/* Cuts the text into lines; returns how many, at most CONFIG_ERRORS_SHOWN. */
static size_t split(const struct config_errors *e, char *const *files, uint32_t n_files, struct line *lines)
{
    size_t n = 0;

    for (const char *p = e->text; n < CONFIG_ERRORS_SHOWN && p < e->text + e->len; n++) {
        const char *end = strchr(p, '\n') + 1;

        lines[n] = (struct line){
            .text = p, .len = (size_t)(end - p), .order = order_of(p, files, n_files), .index = n};
        p = end;
    }
    return n;
}

void config_errors_sort(struct config_errors *e, char *const *files, uint32_t n_files)
{
    struct line lines[CONFIG_ERRORS_SHOWN];
    char *sorted = e->text ? malloc(e->len + 1) : NULL;
    size_t n, at = 0;

    if (!sorted)
        return;
    n = split(e, files, n_files, lines);
    qsort(lines, n, sizeof(lines[0]), compare_lines);
    for (size_t i = 0; i < n; i++) {
        memcpy(sorted + at, lines[i].text, lines[i].len);
        at += lines[i].len;
    }
    memcpy(sorted + at, e->text + at, e->len - at + 1); /* how many more there were */
    free(e->text);
    e->text = sorted;
}

void config_errors_fini(struct config_errors *e)
{
    free(e->text);
    e->text = NULL;
    e->len = 0;
    e->n = 0;
}
