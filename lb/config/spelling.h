/* The nearest right spelling of a word that nobody knows. Letters' case and '-' for '_' cost nothing, a
 * letter too many, too few, wrong or swapped costs one; what costs more than a quarter of the word's length
 * is no slip of the finger, and nothing is suggested rather than something silly. */
#ifndef CONFIG_SPELLING_H
#define CONFIG_SPELLING_H

#include <stdbool.h>
#include <stddef.h>

#define SPELLING_WORD_MAX 49 /* longer words are never near to anything */

struct spelling {
    const char *wrong;
    const char *best; /* NULL: none is near enough */
    unsigned best_cost;
};

void spelling_init(struct spelling *s, const char *wrong);

/* Takes `candidate` (kept by pointer) when it is nearer than all before it. */
void spelling_try(struct spelling *s, const char *candidate);

#endif
