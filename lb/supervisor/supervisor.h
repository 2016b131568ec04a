/* The supervisor: reads the configuration, owns every socket that listens and the backend table, starts and
 * reaps the others. */
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

/* Exit statuses, as in the manual. */
enum { EXIT_FINE = 0, EXIT_CONFIG = 1, EXIT_USAGE = 2, EXIT_START = 3, EXIT_DIED = 4 };

/* Runs until it is stopped; returns the exit status. */
int supervisor_main(const char *config_path);

/* -t and -T: checks the config (names are resolved, too); errors go to stderr. With print the effective
 * config goes to stdout. */
int supervisor_check(const char *config_path, int print);

#endif
