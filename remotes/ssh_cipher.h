/* SPDX-License-Identifier: Apache-2.0 */
/* Which cipher ssh should like best, where its user has no opinion. */
#ifndef DV_REMOTES_SSH_CIPHER_H
#define DV_REMOTES_SSH_CIPHER_H

#include <stddef.h>

/** An option that puts AES-GCM first, static; or NULL where ssh is to be left alone: this processor
 *  has no instructions for AES, the ciphers of `host` were chosen by the user or an administrator,
 *  or the program is not OpenSSH. `argv` are the n words of the command line before the host, as
 *  for dv_process_start. Starts ssh, which only prints its settings; takes some milliseconds, two
 *  seconds at most. */
const char *dv_ssh_cipher(const char *command, const char *const *argv, size_t n,
			  const char *host);

#endif
