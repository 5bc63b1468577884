// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_AUDIT_H
#define TESTS_CHAOS_AUDIT_H

#include "tests/chaos/run.h"

// The account of a run that has settled: each compares two of what was answered, what is stored, what was delivered and
// what was logged, and prints its figures. run->facts is filled by the first two.

// Every 202 is one row with its exact content, and no row is anything else.
void audit_rows(struct run *run);
// Every 202 of a burst is one row as it was sent, and no other row is one.
void audit_burst_rows(struct run *run);
// Every accepted send was delivered; nothing else was; a repeat is explained by an injection that held that call.
void audit_calls(struct run *run);
// Every message of a burst was delivered, or cancelled once, as the cancel was answered; none was called before its
// time, or after its cancel.
void audit_bursts(struct run *run);
// The calls of each conversation begin in the order in which its sends were accepted, each after the end of the one
// before it, but for those that the clock let go.
void audit_order(struct run *run);
// No call begins while its provider is paused, unless an injection kept the 429 from being recorded.
void audit_pauses(struct run *run);
// Every receipt that the mock was answered 2xx to is a row, no other is one, and the right one stands.
void audit_receipts(struct run *run);
// Nobody is called who has opted out, unless an injection kept the call on its way; and Postgres knows who has.
void audit_optouts(struct run *run);
// Counts, totals, statuses and dead letters agree with the rows.
void audit_counts(struct run *run);
// What was quarantined is what was poison.
void audit_quarantine(struct run *run);
// Every unreadable webhook that was answered 400 is exactly one dead letter, and no other is one.
void audit_unread(struct run *run);
// Every id of a 202 answers GET /api/messages/{id}.
void audit_reads(struct run *run);
// No program logged an error that no injection explains; to be called once the programs have ended.
void audit_logs(struct run *run);
// How soon work went on after each kind of injection.
void audit_recovery(struct run *run);

// Between what happens and what two clocks and a busy machine make of it.
#define AUDIT_SLACK_MS 300
// Whether an injection held the call that the mock had at that moment (ms since 1970): it was on while the call was on
// its way, or its answer, or its settlement.
bool audit_was_held(const struct run *run, int64_t at_ms);
// Whether a fail-over may have forgotten what Redis knew at that moment.
bool audit_was_forgotten(const struct run *run, int64_t at_ms);
// Whether it may have forgotten a send under a key that was stored then and whose fate its client wasn't told, with the
// key, so that a repeat was another message: the ingest that was asked remembers it, until it is killed. Another one
// doesn't know.
bool audit_was_forgotten_by_all(const struct run *run, int64_t at_ms);

// All that is known of a message, for a breach: a report_trail, whose argument is the run.
void audit_trail(void *run, const char *id);

#endif
