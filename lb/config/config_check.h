/* What a whole configuration must fulfil beyond its single values. */
#ifndef CONFIG_CONFIG_CHECK_H
#define CONFIG_CONFIG_CHECK_H

#include "config/config.h"

/* Works on a config with errors, too. */
void config_check(const struct config *c, struct config_errors *errors);

#endif
