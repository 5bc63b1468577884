// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_SEGMENTS_H
#define SHARED_MESSAGE_SEGMENTS_H

#include <stddef.h>

// What an SMS is on the air: how its text is encoded, and in how many short messages it goes.
//   GSM-7  all of it is in the default alphabet or its extension table (3GPP TS 23.038, 6.2.1): 160 septets in one
//          short message, 153 in each of several; a character of the extension table (^ { } \ [ ~ ] | €, form feed)
//          takes two
//   UCS-2  anything else: 70 units of UTF-16 in one, 67 in each of several (3GPP TS 23.040, 9.2.3.24.1)
// No character is cut in two: an escape stays with what it escapes, and the two halves of a surrogate pair together. So
// counts Twilio (https://www.twilio.com/docs/glossary/what-sms-character-limit); its calculator
// (https://github.com/TwilioDevEd/message-segment-calculator) also keeps what a reader takes for one character
// together, such as an emoji with its skin tone, by which a long text with such a one at a boundary may take one
// segment more.

enum segment_encoding { SEGMENT_GSM_7, SEGMENT_UCS_2 };

struct segments {
    enum segment_encoding encoding;
    size_t count; // at least 1: an empty text is one short message
};

// body is UTF-8; a byte that is none counts as U+FFFD.
struct segments segments_of(const char *body, size_t length);
// "GSM-7", "UCS-2": the words that Twilio has for them.
const char *segment_encoding_name(enum segment_encoding encoding);

#endif
