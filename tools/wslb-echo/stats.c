#include "stats.h"

#include <inttypes.h>

static const struct {
    const char *name, *text;
} rows[] = {
#define X(name, text) {#name, text},
    STATS(X)
#undef X
};

bool stats_print(const struct stats *s, const char *name, bool json, FILE *to)
{
    const uint64_t values[] = {
#define X(name, text) s->name,
        STATS(X)
#undef X
    };

    const char *separator = ":";

    fprintf(to, json ? "{\"name\":\"%s\"" : "wslb-echo %s", name);
    for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (json) {
            fprintf(to, ",\"%s\":%" PRIu64, rows[i].name, values[i]);
        } else if (values[i] || i == 0) {
            fprintf(to, "%s %" PRIu64 " %s", separator, values[i], rows[i].text);
            separator = ",";
        }
    }
    fputs(json ? "}\n" : "\n", to);
    return fflush(to) == 0 && !ferror(to);
}
