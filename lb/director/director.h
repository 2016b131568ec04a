/* The director: everything around connections. It owns the admin socket and writes the log lines of all; it
 * is started by the supervisor with its channel on MSG_CHANNEL_FD and may die at any time: workers don't
 * notice. director_main returns the exit status. */
#ifndef DIRECTOR_DIRECTOR_H
#define DIRECTOR_DIRECTOR_H

int director_main(void);

#endif
