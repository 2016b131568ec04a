#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

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

void config_errors_fini(struct config_errors *e)
{
    free(e->text);
    e->text = NULL;
    e->len = 0;
    e->n = 0;
}
