/* A worker: accepts clients, reads heads, picks backends, relays, and ends connections. It is started by the
 * supervisor with its channel on MSG_CHANNEL_FD and answers to nobody else; worker_main returns the process's
 * exit status. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

int worker_main(void);

#endif
