// SPDX-License-Identifier: MIT
#ifndef INGEST_MOCK_CONFIG_H
#define INGEST_MOCK_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/message/mock_fields.h"
#include "shared/settings/settings.h"

// How the mock provider behaves, as it is in JSON (the API), in the hash `mock:config` and in the settings.

struct mock_values {
    bool is_set[MOCK_FIELD_COUNT];
    int64_t value[MOCK_NUMBER_COUNT];
    char *refused_senders; // a JSON array of strings, owned; NULL where it isn't set
};

struct mock_config {
    struct mock_values general; // all of it set
    struct mock_values provider[PROVIDER_COUNT];
};

struct mock_config_error {
    char field[MOCK_FIELD_NAME_SIZE]; // "providers.email.seed"; "" when the document as a whole is wrong
    const char *reason;               // static
};

// Parses the body of a PUT. Returns 0 with *out to be freed, or -1 with *error set.
int ingest_mock_config_parse(const char *text, size_t length, struct mock_config *out,
                             struct mock_config_error *error) MUST_CHECK;
// What the mock starts with, by the settings; to be freed.
void ingest_mock_config_from_settings(const struct settings *settings, struct mock_config *out);
void ingest_mock_config_free(struct mock_config *config);
// Takes one field of the hash; unknown ones are skipped. out begins as ingest_mock_config_from_settings or zeroed.
void ingest_mock_config_take(struct mock_config *out, const char *name, const char *value);
// A field that is set as the hash has it: a number ("" for no seed) in buffer, or the list's JSON, which is config's
// own.
const char *ingest_mock_config_field_text(const struct mock_values *values, enum mock_field field,
                                          char buffer[DECIMAL_SIZE]);
// Appends it as JSON.
void ingest_mock_config_write(const struct mock_config *config, struct buf *json);

#endif
