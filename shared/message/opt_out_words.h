// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_OPT_OUT_WORDS_H
#define SHARED_MESSAGE_OPT_OUT_WORDS_H

#include "shared/message/message.h"

// The words by which the recipient of an SMS or MMS opts out, opts in again, or asks for help:
//   STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT, START YES UNSTOP, HELP INFO
// as https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out has them, and "opt out" and "stop all" in two.
//
// A word counts where it is all that the text says: in any case, in whatever letters look the same to Unicode (full
// width, bold, circled), said once or several times, with nothing beside it but blanks, punctuation, symbols and marks
// that show nothing.

enum opt_out_word { OPT_OUT_WORD_NONE, OPT_OUT_WORD_STOP, OPT_OUT_WORD_START, OPT_OUT_WORD_HELP };

// Of a text in UTF-8.
enum opt_out_word opt_out_word_of(const char *text);
// What that says of its pair: OUT, IN, or for HELP and none NONE.
enum opt_out_state opt_out_word_state(enum opt_out_word word);

#endif
