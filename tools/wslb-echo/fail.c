#include "fail.h"

#include <string.h>

const struct fail_row fail_rows[FAIL_MODE_COUNT] = {
#define X(name, word, after, text) [FAIL_##name] = {word, after, text},
    FAIL_MODES(X)
#undef X
};

bool fail_parse(const char *word, enum fail_mode *out)
{
    for (unsigned i = 0; i < FAIL_MODE_COUNT; i++) {
        if (strcmp(fail_rows[i].word, word) != 0)
            continue;
        *out = (enum fail_mode)i;
        return true;
    }
    return false;
}

bool fail_share_next(struct fail_share *s, uint32_t rate_permille)
{
    s->permille_due += rate_permille;
    if (s->permille_due < 1000)
        return false;
    s->permille_due -= 1000;
    return true;
}
