/* Writes mdoc(7) source so that whatever text a table holds comes out as it is: nothing in it is taken for a
 * macro, an escape or the end of a sentence that isn't one. */
#ifndef WSLB_MAN_MDOC_H
#define WSLB_MAN_MDOC_H

#include <stdio.h>

/* Lines of text: wrapped, each sentence begins a line, as mdoc wants it. */
void mdoc_text(FILE *to, const char *text);

/* The same of a phrase of a table, made a sentence: a capital, and a full stop. */
void mdoc_sentence(FILE *to, const char *phrase);

/* One line of text as it is, for a literal display; `line` needs no newline. */
void mdoc_literal(FILE *to, const char *line);

/* A blank and one argument of a macro. */
void mdoc_argument(FILE *to, const char *argument);

/* Begins a list's item with an admin command's pattern: "show sessions [pool P]". */
void mdoc_pattern(FILE *to, const char *pattern);

#endif
