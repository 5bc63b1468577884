// SPDX-License-Identifier: MIT
#ifndef SHARED_LOOP_TLS_H
#define SHARED_LOOP_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"

// A client's side of TLS (1.2 or newer) without a socket: its owner brings what has arrived and takes what is to be
// written, so that nothing blocks. The server's certificate must be signed by an authority that the context trusts, be
// valid now, and be for the host.

struct tls; // one connection

// Why it went wrong. What each says of the certificate is the server's.
enum tls_trouble {
    TLS_NO_TROUBLE,
    TLS_NO_TLS,              // what the server sends is no TLS
    TLS_EXPIRED,             // detail: when, or "" where that can't be said
    TLS_EARLY,               // the same
    TLS_OTHER_HOST,          // detail: for which ones it is
    TLS_UNKNOWN_AUTHORITY,   // detail: who has signed it
    TLS_BAD_CERTIFICATE,     // detail: why
    TLS_WANTS_CERTIFICATE,   // of ours, and there is none
    TLS_REFUSES_CERTIFICATE, // ours; detail: why
    TLS_NOTHING_IN_COMMON,   // detail: the server's alert, or what OpenSSL says
    TLS_OTHER_TROUBLE,       // the same
};

// The session of a client's last connection, which the next one offers, so that it needs no full handshake: to the same
// host and by the same context only. One whose offer came to no end is forgotten. Zero-initialised is empty.
struct tls_memory {
    SSL_SESSION *session;
    SSL_CTX *context;
    char *host;
};

void tls_memory_clear(struct tls_memory *memory);

// A context for such connections, which trusts nobody yet. Never NULL; for SSL_CTX_free.
SSL_CTX *tls_context_create(void);

// context is from tls_context_create. host is what the certificate must be for: a name, which is told to the server
// (SNI), or a numeric address. memory may be NULL; else it must be there until tls_read is called no more.
struct tls *tls_create(SSL_CTX *context, const char *host, struct tls_memory *memory);
void tls_destroy(struct tls *tls);

// Bytes that have arrived. They stay the caller's, and must be there until tls_shake or tls_read has asked for more.
void tls_feed(struct tls *tls, const char *data, size_t length);
// Goes on with the handshake, which the first call begins. 1: it is done; 0: what is to be written must be, and more
// must arrive; -1: it has failed.
int tls_shake(struct tls *tls) MUST_CHECK;
// What was fed, in the clear; *out is valid until the next call. Returns how many bytes it is; 0: more must arrive; -1:
// the server has ended the connection (no trouble) or it has failed. Once the handshake is done.
ssize_t tls_read(struct tls *tls, const char **out) MUST_CHECK;
// Seals bytes. Returns 0; 1: none of them, for more must arrive first; or -1: it has failed. Once the handshake is
// done.
int tls_write(struct tls *tls, const char *data, size_t length) MUST_CHECK;
// Says that nothing more will be written.
void tls_end(struct tls *tls);
// What is to be written: the caller takes from it, or empties it.
struct buf *tls_output(struct tls *tls);

// The first trouble, and more about it in one line that holds printable characters only.
enum tls_trouble tls_trouble(const struct tls *tls);
const char *tls_detail(const struct tls *tls);
// "TLSv1.3"
const char *tls_version(const struct tls *tls);
// Whether it goes on with the session that was remembered.
bool tls_was_resumed(const struct tls *tls);

#endif
