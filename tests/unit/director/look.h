/* A look into JSON answers: what isn't there, or is of another kind, fails the test and is named. */
#ifndef LOOK_H
#define LOOK_H

#include <stdint.h>

#include <jansson.h>

/* The one document of an answer, which must be one line; to be released. */
json_t *look_json(const char *answer);
int64_t look_number(const json_t *object, const char *key);
const char *look_string(const json_t *object, const char *key);

#endif
