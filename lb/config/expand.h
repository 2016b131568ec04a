/* ${NAME} in a value is what the environment says; $${ is a plain ${. Nothing else is special. */
#ifndef CONFIG_EXPAND_H
#define CONFIG_EXPAND_H

#include <stddef.h>

#define EXPAND_ERROR_MAX 256

/* The caller frees the result. NULL: `error` says why (a name that isn't set, one that is no name, more than
 * bytes_max). */
char *expand_env(const char *text, size_t bytes_max, char error[EXPAND_ERROR_MAX]);

#endif
