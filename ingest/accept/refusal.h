// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_REFUSAL_H
#define INGEST_ACCEPT_REFUSAL_H

struct ingest_request;

// 400 to a payload that is no message, and counts it where it is wrong in whom it is from or to. field: "" where the
// document as a whole is wrong; reason goes on from its name.
void refusal_answer(struct ingest_request *request, const char *field, const char *reason);

#endif
