// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_HEARTBEAT_H
#define SHARED_REDIS_HEARTBEAT_H

#include <stdbool.h>
#include <uv.h>

#include "shared/redis/link.h"

// Says every second in Redis that this process lives: in the sorted set `processes`, member "program:instance", score
// the time in ms since 1970. One that was silent for HEARTBEAT_ALIVE_MS counts as gone.
//
// The partitions that this process serves go with it, into the set `partitions`: who lost that set (FLUSHALL, an
// eviction) has it again within a second.
//
// The newest format of entries that it reads goes with it, into the sorted set `formats`, member "1:program:instance",
// scored alike; and what the other live programs read is looked up, for format_to_write (shared/message/format.h). One
// that announces nothing reads the oldest format. The mock provider reads no entries, and takes no part.
//
// What troubles a process goes with it: `trouble:program:instance` is a JSON array of {"code","since_ms","text"},
// written with each beat, and gone HEARTBEAT_ALIVE_MS after the last one.

#define HEARTBEAT_ALIVE_MS 5000
#define HEARTBEAT_TROUBLES 8     // codes that a process can report at a time
#define HEARTBEAT_CODE_SIZE 32   // with its NUL
#define HEARTBEAT_TEXT_BYTES 400 // of a text; the rest is cut

struct heartbeat;

// link must outlive it. program is "ingest", instance the stable instance id.
struct heartbeat *heartbeat_create(uv_loop_t *loop, struct redis_link *link, const char *program, const char *instance);
// Tells after each beat whether Redis took it: refusal is its error, or NULL; a beat that was lost tells nothing.
void heartbeat_watch(struct heartbeat *heartbeat, void (*on_beat)(void *argument, const char *refusal), void *argument);
// This process serves a partition, "provider:partition", from now on. Told once or more often.
void heartbeat_serve(struct heartbeat *heartbeat, const char *tag);
// A trouble of this process: a word of ingest/watch/flow.c's table for machines, a sentence for people. It stands, with
// the time at which it was first told of, until the same code comes with NULL. Told at once where Redis is there, and
// again with each beat. What goes beyond HEARTBEAT_TROUBLES codes is dropped; a code has fewer than HEARTBEAT_CODE_SIZE
// bytes.
void heartbeat_trouble(struct heartbeat *heartbeat, const char *code, const char *text);
// The last beat: takes the member out of the set. For the drain; what is sent after it is answered after it.
void heartbeat_stop(struct heartbeat *heartbeat);
// The link came up: beats and looks at once, so that what is sent over it afterwards is answered once the look is.
void heartbeat_on_up(struct heartbeat *heartbeat);

// Of a member of `processes`: whether it reads entries at all; the least format that is announced for it among the
// members of `formats`, which are an array, STREAM_FORMAT_OLDEST where none is.
bool heartbeat_reads_entries(const char *program);
int heartbeat_format(const char *program, const redisReply *announced);
// Frees itself once its timer has closed.
void heartbeat_destroy(struct heartbeat *heartbeat);

#endif
