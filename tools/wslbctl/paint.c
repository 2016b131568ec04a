#include "paint.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLAIN "\x1b[0m"
#define BOLD  "\x1b[1m"
#define RED   "\x1b[31m"

static const struct {
    const char *word, *colour;
} states[] = {
    {"up", "\x1b[32m"},    {"ready", "\x1b[32m"}, {"down", RED},           {"stuck", RED},
    {"drain", "\x1b[33m"}, {"maint", "\x1b[33m"}, {"leaving", "\x1b[33m"}, {"starting", "\x1b[36m"},
};

void paint_init(struct paint *p)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    *p = (struct paint){.state_at = SIZE_MAX};
    p->colour = isatty(STDOUT_FILENO) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

/* A `show` whose name is a plural answers a list, and so does help. */
static bool is_list(char *const *words, unsigned n)
{
    if (n == 1)
        return strcmp(words[0], "help") == 0;
    return n >= 2 && strcmp(words[0], "show") == 0 && words[1][0] && words[1][strlen(words[1]) - 1] == 's';
}

void paint_begin(struct paint *p, char *const *words, unsigned n)
{
    p->is_error = false;
    p->first = true;
    p->table = is_list(words, n);
    p->state_at = SIZE_MAX;
}

static void put(const char *bytes, size_t n)
{
    fwrite(bytes, 1, n, stdout);
}

static void put_in(const char *colour, const char *bytes, size_t n)
{
    fputs(colour, stdout);
    put(bytes, n);
    fputs(PLAIN, stdout);
}

static size_t word_len(const char *at, size_t n)
{
    size_t len = 0;

    while (len < n && at[len] != ' ' && at[len] != '\n')
        len++;
    return len;
}

static const char *colour_of(const char *word, size_t len)
{
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strlen(states[i].word) == len && memcmp(states[i].word, word, len) == 0)
            return states[i].colour;
    }
    return NULL;
}

/* The byte at which character `at` begins, or n. */
static size_t byte_of(const char *line, size_t n, size_t at)
{
    size_t i = 0;

    for (; i < n; i++) {
        if (((unsigned char)line[i] & 0xc0) != 0x80 && at-- == 0)
            break;
    }
    return i;
}

/* Header names are ASCII: bytes are characters. */
static void find_state(struct paint *p, const char *line, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = word_len(line + i, n - i);

        if (len == 5 && memcmp(line + i, "state", 5) == 0)
            p->state_at = i;
        i += len ? len : 1;
    }
}

/* The place of a word of state in the line, or n. */
static size_t state_in(const struct paint *p, const char *line, size_t n)
{
    size_t key = word_len(line, n), i = key;

    if (p->table)
        return p->state_at == SIZE_MAX ? n : byte_of(line, n, p->state_at);
    if (key < 5 || memcmp(line + key - 5, "state", 5) != 0)
        return n;
    while (i < n && line[i] == ' ')
        i++;
    return i;
}

static void put_coloured(struct paint *p, const char *line, size_t n)
{
    size_t at = state_in(p, line, n), len = word_len(line + at, n - at);
    const char *colour = colour_of(line + at, len);

    if (!colour) {
        put(line, n);
        return;
    }
    put(line, at);
    put_in(colour, line + at, len);
    put(line + at + len, n - at - len);
}

static bool begins(const char *line, size_t n, const char *with)
{
    return n >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

void paint_line(struct paint *p, const char *line, size_t n)
{
    bool first = p->first;

    p->first = false;
    if (first)
        p->is_error = begins(line, n, "error:") || begins(line, n, "{\"error\"");
    if (!p->colour)
        put(line, n);
    else if (p->is_error)
        put_in(RED, line, n);
    else if (first && p->table) {
        find_state(p, line, n);
        put_in(BOLD, line, n);
    } else {
        put_coloured(p, line, n);
    }
}

void paint_end(struct paint *p)
{
    (void)p;
    fflush(stdout);
}

void paint_error(struct paint *p, const char *why)
{
    if (p->colour)
        printf(RED "error: %s" PLAIN "\n", why);
    else
        printf("error: %s\n", why);
    fflush(stdout);
}
