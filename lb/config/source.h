/* One file, or text, while it is read into a draft: its sections and keys, and the files that it includes. */
#ifndef CONFIG_SOURCE_H
#define CONFIG_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/draft.h"

struct source_include {
    char *pattern;
    uint32_t line;
};

struct source {
    struct draft *d;
    const struct source *parent; /* NULL: the main file, or a text */
    uint32_t file, depth;
    bool may_include;
    struct draft_section *section; /* NULL: an unknown one, or none yet */
    bool headless;                 /* no header so far */
    bool section_said;             /* anything at all since its header */
    uint32_t section_line, global_line;
    struct source_include *includes; /* in their order; read them when the text is through */
    uint32_t n_includes;
};

/* d, parent, file, depth and may_include are set. Errors go to d->errors. */
void source_read(struct source *src, const char *text, size_t len);
void source_fini(struct source *src);

#endif
