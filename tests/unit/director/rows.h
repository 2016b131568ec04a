/* What a worker of the house says of its connections. */
#ifndef ROWS_H
#define ROWS_H

#include <stdint.h>

#include "house.h"
#include "proto/conn_row.h"

#define ROWS_MAX 10u /* of a message */

/* A connection of five seconds' age on the first backend. */
struct conn_row rows_make(const struct house *h, uint64_t id);
void rows_send(int channel, uint64_t serial, const struct conn_row *rows, uint32_t n);

/* The next message, which must be a question for sessions. */
struct msg_sessions rows_question(int channel, uint64_t *serial);
/* Answers the next question by no row. */
void rows_none(int channel);

#endif
