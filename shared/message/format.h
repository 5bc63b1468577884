// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_FORMAT_H
#define SHARED_MESSAGE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

// The format of stream entries, their field `v`: which one this release reads at most, and which one this process
// writes.
//
// Nobody writes a format that a live program can't read, so that releases run beside each other and an upgrade can be
// taken back: a process writes the least of its own newest format and those of all other live readers, which the
// heartbeat announces and looks up each second. Until it knows them, or once it doesn't any more, it writes the oldest
// one.
//
// A new kind of entry or a new field is a new format: STREAM_FORMAT and `FORMAT` in redis/messaging.lua are raised, and
// what writes it asks format_to_write (in the library: `writes`). The library has each function once a format, and
// library_function chooses.
//
//   1  release 50b4a1b's
//   2  a payload's from, to, provider_message_id and attachments may be longer than format 1's reader takes them
//      (message_decode); the kinds `unread`, `receipt` and `optout`; most entries are packed, a word a field
//      (redis/messaging.lua); turns, and messages that are scheduled or cancelled. The payload's members subject,
//      region, by_envelope, opt_out, opt_out_ms, opt_out_came_ms and send_at are written in format 1 as well, for its
//      reader passes over what it doesn't know.

#define STREAM_FORMAT 2        // the newest that this release reads; an entry with a greater one is a newer release's
#define STREAM_FORMAT_OLDEST 1 // release 50b4a1b's, which reads no other and announces none

// So long, in ms, every look must have allowed a newer format before it is written: longer than a live program's
// silence, so that one whose heartbeat was late or lost is heard of before. An older one is written at once.
#define FORMAT_SETTLE_MS 5000
// So long, in ms, what was agreed stays so while nobody can look: Redis is away. Should a program of an older release
// have come meanwhile, it gives back what it can't read in the second until it is seen.
#define FORMAT_KEPT_MS 600000

// What a look at the other live readers has found: lowest is the least of their newest formats, INT_MAX where there are
// none, STREAM_FORMAT_OLDEST where Redis didn't say it. written: a format that others write by now, who have looked for
// long enough, or 0: it is written at once where these readers allow it, so that a program that is started again goes
// on as it was. now_ms is clock_boot_ms. One thread of a process looks.
void format_looked(int lowest, int written, int64_t now_ms);
// Whether there was a look ever. Any thread.
bool format_is_known(void);
// The newest format that all others have been known to read, as of now_ms (clock_boot_ms). Any thread.
int format_agreed(int64_t now_ms);
// Whether a format that is not to be written yet is only a matter of waiting, as of now_ms (clock_boot_ms): the last
// look allowed it, or there was none yet. Any thread.
bool format_is_coming(int format, int64_t now_ms);
// The format to write now. Any thread.
int format_to_write(void);

#endif
