// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_SENDER_ID_H
#define SHARED_MESSAGE_SENDER_ID_H

#include <stdbool.h>

#include "shared/base/mem.h"
#include "shared/message/span.h"

#define SENDER_ID_SIZE 12 // with its NUL
#define SENDER_ID_OTHERS " -_&."
#define SENDER_ID_RULE "1 to 11 letters, digits, spaces, - _ & . with a letter and no more digits than letters"

// Whether a text is an alphanumeric sender id, as an SMS may come from ("MyBrand", "VM-HDFCBK", "AT&T"; 3GPP TS 23.040,
// 9.1.2.5): 1 to 11 ASCII letters, digits, spaces, '-', '_', '&' and '.', one of them a letter, and no more digits than
// letters. Then its identity, in lower case, is in *identity.
bool sender_id_parse(struct span text, char identity[SENDER_ID_SIZE]) MUST_CHECK;

#endif
