/* What the server says to a request: the upgrade, a plain page, a refusal, or the failure it was asked for.
 */
#ifndef WSLB_ECHO_ANSWER_H
#define WSLB_ECHO_ANSWER_H

#include "conn.h"

/* The head at c->in is whole and has waited as long as it should: answers, and goes on with what came behind
 * it. */
void answer_give(struct conn *c);
void answer_refuse(struct conn *c, int status, const char *why);

#endif
