/* What a command looks like, in the words of the manual: "show sessions [pool P] [limit N]". Small letters
 * are said as they are, capitals stand for an argument, a|b|c for one of these. Brackets, at the end, may be
 * left out; those that begin with a word come in any order. The same text is the help, the man page and what
 * lines are matched with. */
#ifndef DIRECTOR_ADMIN_PATTERN_H
#define DIRECTOR_ADMIN_PATTERN_H

#include <stddef.h>

#define ADMIN_ARGS_MAX     8u
#define ADMIN_PATTERN_NAME 64u

enum admin_match {
    ADMIN_MATCH_NONE, /* another command */
    ADMIN_MATCH_NAME, /* this one, but with other arguments than it takes */
    ADMIN_MATCH_WHOLE,
};

/* Arguments are numbered as they stand in the pattern; `args` is all NULL unless it is WHOLE. *fits: how many
 * of the words, from the first on, are as the pattern wants them. */
enum admin_match admin_pattern_match(const char *pattern, char *const *words, unsigned n_words,
                                     const char *args[ADMIN_ARGS_MAX], unsigned *fits);

/* Its first words, as far as they are said as they are; returns how many. */
unsigned admin_pattern_name(const char *pattern, char out[ADMIN_PATTERN_NAME]);

#endif
