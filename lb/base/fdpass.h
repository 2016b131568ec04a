/* Messages with descriptors over a SOCK_SEQPACKET pair. One send is one message; a message that arrives cut
 * (MSG_TRUNC, MSG_CTRUNC) is an error, its descriptors closed, since a protocol that has lost a descriptor
 * can't be trusted any more. */
#ifndef BASE_FDPASS_H
#define BASE_FDPASS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FDPASS_MAX 253 /* SCM_MAX_FD of Linux */

/* A pair of non-blocking, close-on-exec ends. false: errno. */
bool fdpass_pair(int out[2]);

/* Sends without blocking and without SIGPIPE. 1: sent; 0: the queue is full, or too many descriptors are in
 * flight (ETOOMANYREFS), try later; -1: errno, the channel is dead. The descriptors stay the caller's. */
int fdpass_send(int sock, const void *bytes, size_t n, const int *fds, unsigned n_fds);

/* Receives one message. > 0: its length, *n_fds descriptors (close-on-exec, the caller's) in fds; 0: the peer
 * has closed; -1 with errno EAGAIN: nothing there; -1 otherwise: the channel is dead (EBADMSG: it was cut).
 * fds must have room for max_fds; more is EBADMSG. */
ssize_t fdpass_recv(int sock, void *bytes, size_t cap, int *fds, unsigned max_fds, unsigned *n_fds);

#endif
