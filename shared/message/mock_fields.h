// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_MOCK_FIELDS_H
#define SHARED_MESSAGE_MOCK_FIELDS_H

#include <stdint.h>

#include "shared/base/decimal.h"
#include "shared/message/message.h"

// How the mock provider behaves: the fields of the hash `mock:config`, which ingest writes and the mock follows, and
// which are in the API's JSON and among the settings by the same names.

enum mock_field {
    MOCK_TIMEOUT_PCT,
    MOCK_ERROR_PCT,
    MOCK_RATELIMIT_PCT,
    MOCK_SEED,
    MOCK_LATENCY_MS,
    MOCK_RETRY_AFTER_SECS,
    MOCK_RECEIPTS_PCT,
    MOCK_UNDELIVERED_PCT,
    MOCK_RECEIPT_DELAY_MS,
    MOCK_NUMBER_COUNT,                        // those before it are numbers
    MOCK_REFUSED_SENDERS = MOCK_NUMBER_COUNT, // a JSON array of strings
    MOCK_FIELD_COUNT
};

#define MOCK_NO_SEED (-1) // "" in the hash, null in JSON

// The numbers, for one provider.
struct mock_settings {
    union {
        struct {
            int64_t timeout_pct, error_pct, ratelimit_pct; // shares of the calls, percent
            int64_t seed;
            int64_t latency_ms;
            int64_t retry_after_secs;
            int64_t receipts_pct;     // of the messages that were accepted: whether they arrive becomes known
            int64_t undelivered_pct;  // of those: they don't
            int64_t receipt_delay_ms; // from acceptance
        };
        int64_t number[MOCK_NUMBER_COUNT];
    };
};

extern const struct mock_field_rule {
    const char *name;
    int64_t most;
    int64_t otherwise; // where it is missing or empty
} mock_fields[MOCK_FIELD_COUNT];

#define MOCK_FIELD_NAME_SIZE 64

// A field's name in the hash: "email.seed", or with PROVIDER_COUNT, for all providers, "seed".
void mock_field_name(unsigned provider, enum mock_field field, char out[MOCK_FIELD_NAME_SIZE]);
// A number as the hash has it; it may stand in room.
const char *mock_field_text(int64_t number, char room[DECIMAL_SIZE]);
// The fields that say what these are: the first provider's numbers for all, then what differs in the others. Calls
// each(argument, name, text) for them.
void mock_fields_each(const struct mock_settings providers[PROVIDER_COUNT],
                      void (*each)(void *argument, const char *name, const char *text), void *argument);

#endif
