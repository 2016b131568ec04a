#include "mdoc.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define LINE_MAX_BYTES 78u

/* roff has meanings of its own for these; `-` would become a hyphen that can't be copied. */
static void put_escaped(FILE *to, char c)
{
    if (c == '\\')
        fputs("\\e", to);
    else if (c == '-')
        fputs("\\-", to);
    else if (c == '"')
        fputs("\\(dq", to);
    else if (c == '~')
        fputs("\\(ti", to);
    else if (c == '^')
        fputs("\\(ha", to);
    else
        fputc(c, to);
}

static void put_word(FILE *to, const char *word, size_t len, bool begins_line)
{
    if (begins_line && (*word == '.' || *word == '\''))
        fputs("\\&", to);
    for (size_t i = 0; i < len; i++)
        put_escaped(to, word[i]);
}

static bool ends_sentence(const char *word, size_t len)
{
    return len > 0 && strchr(".!?", word[len - 1]) && len > 1;
}

/* A key or a value of the configuration, which has small letters everywhere, is no plain word. */
static bool is_plain_word(const char *word, size_t len)
{
    return islower((unsigned char)*word) && !memchr(word, '_', len);
}

static void put_text(FILE *to, const char *text, bool phrase)
{
    size_t column = 0;
    bool sentence = false;

    for (const char *at = text + strspn(text, " "); *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");

        if (column > 0 && (sentence || column + 1 + len > LINE_MAX_BYTES)) {
            fputc('\n', to);
            column = 0;
        } else if (column > 0) {
            fputc(' ', to);
            column++;
        }
        if (phrase && at == text && is_plain_word(at, len)) {
            fputc(toupper((unsigned char)*at), to);
            put_word(to, at + 1, len - 1, false);
        } else {
            put_word(to, at, len, column == 0);
        }
        column += len;
        sentence = ends_sentence(at, len);
        at += len;
    }
    if (column > 0)
        fputs(phrase && !sentence ? ".\n" : "\n", to);
}

void mdoc_text(FILE *to, const char *text)
{
    put_text(to, text, false);
}

void mdoc_sentence(FILE *to, const char *phrase)
{
    put_text(to, phrase, true);
}

void mdoc_literal(FILE *to, const char *line)
{
    size_t len = strcspn(line, "\n");

    if (len > 0)
        put_word(to, line, len, true);
    fputc('\n', to);
}

void mdoc_argument(FILE *to, const char *argument)
{
    fputs(" \"\\&", to); /* \&: what is only punctuation, or a macro's name, is text */
    put_word(to, argument, strlen(argument), false);
    fputc('"', to);
}

/* Capitals stand for an argument, the rest is said as it is. */
static bool is_argument(const char *word, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (islower((unsigned char)word[i]))
            return false;
    return len > 0;
}

/* "ready|drain|maint" */
static void put_choice(FILE *to, const char *word, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t n = strcspn(word + at, "|");

        if (n > len - at)
            n = len - at;
        fputs(at > 0 ? " | " : is_argument(word + at, n) ? " Ar " : " Cm ", to);
        put_word(to, word + at, n, false);
        at += n + 1;
    }
}

void mdoc_pattern(FILE *to, const char *pattern)
{
    fputs(".It", to);
    for (const char *at = pattern + strspn(pattern, " "); *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " "), n = len;
        const char *word = at;
        bool closes;

        if (*word == '[') {
            fputs(" Oo", to);
            word++;
            n--;
        }
        closes = n > 0 && word[n - 1] == ']';
        put_choice(to, word, closes ? n - 1 : n);
        if (closes)
            fputs(" Oc", to);
        at += len;
    }
    fputc('\n', to);
}
