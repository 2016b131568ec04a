/* A child that the supervisor's tests can order about. The supervisor starts its children from
 * /proc/self/exe, which in a test is the test itself: main calls fake_child when it is given `--role`. What
 * it does is told by the environment (FAKE_worker, FAKE_director); what it has seen it writes to stderr, a
 * line each time. */
#ifndef FAKE_CHILD_H
#define FAKE_CHILD_H

/* "" is a good child: READY at START, leaves at SHUTDOWN, QUIT and the end of its channel. Others:
 * "dies" exits with 7 before anything, "fails" says FAILED, "silent" never says READY, "lies" says what isn't
 * its to say, "garbage" sends no message, "deaf" closes its channel and lives on, "stays" ignores SHUTDOWN,
 * "rooted" ignores QUIT, too, "asks" (a director) sets a backend's weight, then stops the program. */
int fake_child(const char *role);

#endif
