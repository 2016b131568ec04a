/* Tables for people. Rows come one by one and are kept as cells (the text of each, safe to print) until all
 * widths are known. A column whose cells are all numbers stands to the right. */
#ifndef DIRECTOR_TABLE_TEXT_H
#define DIRECTOR_TABLE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "director/text.h"

/* All return false when the text refuses more (see text.h). */

/* Appends the row's values of `columns`, in that order. */
bool table_text_row(struct text *cells, const json_t *row, const char *const *columns);

/* Appends an object as rows of key and value; keys of inner objects behind a dot. */
bool table_text_object(struct text *cells, const json_t *object);

/* Writes all cells with `columns` as their header; NULL: cells of table_text_object, no header. */
bool table_text_render(struct text *out, const struct text *cells, const char *const *columns);

/* Appends text with control bytes and what is no UTF-8 as \xNN. */
bool table_text_safe(struct text *out, const char *bytes, size_t n);

#endif
