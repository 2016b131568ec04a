/* Prints the lines of an answer, on a terminal with colours: the header of a table bold, words of state by
 * what they mean, errors red. Without a terminal, or with NO_COLOR set, not a byte is added. */
#ifndef WSLBCTL_PAINT_H
#define WSLBCTL_PAINT_H

#include <stdbool.h>
#include <stddef.h>

struct paint {
    bool colour;
    bool is_error;   /* the answer at hand */
    bool table;      /* ... is one, with a header */
    bool first;      /* its first line comes next */
    size_t state_at; /* in characters, of the column `state`; SIZE_MAX: none */
};

/* Looks at stdout and the environment. */
void paint_init(struct paint *p);

/* The answer to this command begins. */
void paint_begin(struct paint *p, char *const *words, unsigned n);
void paint_line(struct paint *p, const char *line, size_t n); /* with its newline */
void paint_end(struct paint *p);

/* An error of our own, as the answer would be. */
void paint_error(struct paint *p, const char *why);

#endif
