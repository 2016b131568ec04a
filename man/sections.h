/* The parts of the manual that come from tables. A page says `@@ NAME [ARGUMENT]` on a line of its own where
 * one belongs; one row in the table of sections.c is one such name. */
#ifndef WSLB_MAN_SECTIONS_H
#define WSLB_MAN_SECTIONS_H

#include <stdio.h>

/* NULL: written; else what is wrong with the line. `argument` is "" when there is none; `source_dir` is where
 * files that a section shows are looked for. */
const char *sections_write(FILE *to, const char *name, const char *argument, const char *source_dir);

#endif
