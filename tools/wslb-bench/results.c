#include "results.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct result_error_row result_error_rows[RESULT_ERROR_COUNT] = {
#define X(name, word, text) [RESULT_##name] = {word, text},
    RESULT_ERRORS(X)
#undef X
};

void results_error(struct results *r, enum result_error kind, const char *fmt, ...)
{
    va_list ap;

    if (r->errors[kind]++ > 0)
        return;
    va_start(ap, fmt);
    vsnprintf(r->examples[kind], sizeof r->examples[kind], fmt, ap);
    va_end(ap);
}

void results_merge(struct results *to, const struct results *from)
{
#define X(name) to->name += from->name;
    RESULT_COUNTS(X)
#undef X
    for (unsigned i = 0; i < RESULT_ERROR_COUNT; i++) {
        if (to->errors[i] == 0)
            memcpy(to->examples[i], from->examples[i], sizeof to->examples[i]);
        to->errors[i] += from->errors[i];
    }
    for (unsigned i = 0; i < sizeof to->statuses / sizeof to->statuses[0]; i++)
        to->statuses[i] += from->statuses[i];
    for (unsigned i = 0; i < sizeof to->close_codes / sizeof to->close_codes[0]; i++)
        to->close_codes[i] += from->close_codes[i];
    histogram_merge(&to->latency, &from->latency);
    histogram_merge(&to->connect, &from->connect);
}

uint64_t results_errors(const struct results *r)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < RESULT_ERROR_COUNT; i++)
        sum += r->errors[i];
    return sum;
}
