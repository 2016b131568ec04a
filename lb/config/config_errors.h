/* The order of errors: they are found in several passes and read from top to bottom. */
#ifndef CONFIG_CONFIG_ERRORS_H
#define CONFIG_CONFIG_ERRORS_H

#include "config/config.h"

/* Sorts by file, in the given order, and line; what is of no known file comes first. When memory is refused
 * nothing changes. */
void config_errors_sort(struct config_errors *e, char *const *files, uint32_t n_files);

#endif
