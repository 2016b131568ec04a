#include "proto/admin_line.h"

#include <string.h>

#include "proto/utf8.h"

bool admin_line_check(const char *line, size_t len, const char **why)
{
    *why = NULL;
    if (len > ADMIN_LINE_MAX)
        *why = "the line is longer than 16384 bytes";
    for (size_t i = 0; i < len && !*why;) {
        size_t n = utf8_next(line + i, len - i);
        unsigned char c = (unsigned char)line[i];

        if (n == 0)
            *why = "the line is no valid UTF-8";
        else if ((c < 0x20 && c != '\t') || c == 0x7f)
            *why = "the line holds a control byte";
        i += n;
    }
    return !*why;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Reads one word at *from and writes it, without its backslashes, at *to, which is never behind *from. */
static void take_word(char **from, char **to)
{
    char *in = *from, *out = *to;

    while (*in && *in != ';' && !is_blank(*in)) {
        if (*in == '\\' && in[1])
            in++;
        *out++ = *in++;
    }
    *from = in;
    *to = out;
}

unsigned admin_line_next(char **rest, char *words[ADMIN_WORDS_MAX])
{
    char *in = *rest;
    unsigned n = 0;

    for (;;) {
        while (is_blank(*in) || (*in == ';' && n == 0))
            in++;
        if (*in == '\0' || *in == ';')
            break;
        char *word = in, *end = in;
        char stop;

        take_word(&in, &end);
        stop = *in; /* the word's NUL may overwrite it */
        if (n < ADMIN_WORDS_MAX)
            words[n] = word;
        if (n <= ADMIN_WORDS_MAX)
            n++;
        if (stop)
            in++;
        *end = '\0';
        if (stop == ';' || !stop)
            break;
    }
    *rest = in;
    return n;
}
