/* A director without processes around it: a configuration, tables with three backends and two seats, a loop,
 * no supervisor. What it logs is looked at (see __wrap_write) and not written. */
#ifndef TESTS_FUZZ_DIRECTOR_FIXTURE_H
#define TESTS_FUZZ_DIRECTOR_FIXTURE_H

#include <stddef.h>
#include <sys/types.h>

#include "director/answer.h"
#include "director/director_int.h"

#define FIXTURE_SEATS 2

/* The one there is; made at the first call. */
struct director *director_fixture(void);

/* Tables: nothing in `text` steers a terminal or is no UTF-8. JSON: it is one document on one line. */
void director_check_text(const char *text, size_t n);
void director_check_json(const char *text, size_t n);

/* In place of write(2), by the linker: a log line must be one line without control bytes. */
ssize_t __wrap_write(int fd, const void *bytes, size_t n);

#endif
