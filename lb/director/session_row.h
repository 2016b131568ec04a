/* A connection's row in words. Workers are read with suspicion: no index or length in a row is trusted. */
#ifndef DIRECTOR_SESSION_ROW_H
#define DIRECTOR_SESSION_ROW_H

#include <stdint.h>

#include "director/answer.h"
#include "proto/conn_row.h"

struct director;

extern const char *const session_row_columns[]; /* of the list */

void session_row_list(struct answer *a, const struct director *d, uint32_t seat, const struct conn_row *row);
void session_row_whole(struct answer *a, const struct director *d, uint32_t seat, const struct conn_row *row);

#endif
