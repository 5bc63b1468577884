// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_CERTIFICATES_H
#define TESTS_SUPPORT_CERTIFICATES_H

// Certificates of a test's own, made by openssl in a folder: NAME.pem with NAME.key.
//   authority  signs `good` (localhost, 127.0.0.1, ::1), `other` (other.example alone), `plain` (its common name
//   alone),
//              `expired` and `early` (as good, but over since a moment, and from tomorrow on), `client`
//   stranger   another authority; signs `visitor`, a client's certificate
//   self       for localhost, 127.0.0.1 and ::1, signed by itself
void certificates_make(const char *folder);

#endif
