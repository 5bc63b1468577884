// SPDX-License-Identifier: MIT
#include "shared/message/mock_fields.h"

#include <stdbool.h>
#include <stdio.h>

#define MAX_SEED INT64_C(9007199254740991) // 2^53 - 1
#define MINUTE_MS 60000
#define DAY_SECS 86400

const struct mock_field_rule mock_fields[MOCK_FIELD_COUNT] = {
    [MOCK_TIMEOUT_PCT] = {"timeout_pct", 100, 0},
    [MOCK_ERROR_PCT] = {"error_pct", 100, 0},
    [MOCK_RATELIMIT_PCT] = {"ratelimit_pct", 100, 0},
    [MOCK_SEED] = {"seed", MAX_SEED, MOCK_NO_SEED},
    [MOCK_LATENCY_MS] = {"latency_ms", MINUTE_MS, 0},
    [MOCK_RETRY_AFTER_SECS] = {"retry_after_secs", DAY_SECS, 1},
    [MOCK_RECEIPTS_PCT] = {"receipts_pct", 100, 100},
    [MOCK_UNDELIVERED_PCT] = {"undelivered_pct", 100, 0},
    [MOCK_RECEIPT_DELAY_MS] = {"receipt_delay_ms", 10 * MINUTE_MS, 400},
    [MOCK_REFUSED_SENDERS] = {"refused_senders", 0, 0},
};

void mock_field_name(unsigned provider, enum mock_field field, char out[MOCK_FIELD_NAME_SIZE]) {
    bool all = provider == PROVIDER_COUNT;
    snprintf(out, MOCK_FIELD_NAME_SIZE, "%s%s%s", all ? "" : provider_name((enum provider)provider), all ? "" : ".",
             mock_fields[field].name);
}

const char *mock_field_text(int64_t number, char room[DECIMAL_SIZE]) {
    return number == MOCK_NO_SEED ? "" : decimal_write(number, room);
}

void mock_fields_each(const struct mock_settings providers[PROVIDER_COUNT],
                      void (*each)(void *argument, const char *name, const char *text), void *argument) {
    for (unsigned i = 0; i < PROVIDER_COUNT; i++) {
        for (int field = 0; field < MOCK_NUMBER_COUNT; field++) {
            char name[MOCK_FIELD_NAME_SIZE], text[DECIMAL_SIZE];
            if (i == 0 || providers[i].number[field] != providers[0].number[field]) {
                mock_field_name(i == 0 ? PROVIDER_COUNT : i, (enum mock_field)field, name);
                each(argument, name, mock_field_text(providers[i].number[field], text));
            }
        }
    }
}
