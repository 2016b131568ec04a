/* Text that grows: answers while they are made and while they are sent. What all of them hold together is
 * bounded by a budget, since anybody who may open the admin socket can ask for much and read nothing. */
#ifndef DIRECTOR_TEXT_H
#define DIRECTOR_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text_budget {
    size_t used_bytes, max_bytes; /* of all texts */
    size_t one_max_bytes;         /* of one */
};

struct text {
    char *p;
    size_t len, cap;
    struct text_budget *budget;
};

void text_init(struct text *t, struct text_budget *budget);
void text_free(struct text *t); /* empty again, and usable */

/* false: memory was refused or the text would pass a bound of the budget, and nothing has changed. */
bool text_append(struct text *t, const void *bytes, size_t n);
bool text_pad(struct text *t, char c, size_t n);

#endif
