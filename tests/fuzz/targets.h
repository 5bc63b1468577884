// SPDX-License-Identifier: MIT
#ifndef TESTS_FUZZ_TARGETS_H
#define TESTS_FUZZ_TARGETS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// What is fuzzed: one function a target, which takes any bytes, and ends the process where a promise is broken.
// `make fuzz` drives them with libFuzzer (fuzz.c); the unit suite `fuzz` replays every seed and every regression input.

struct fuzz_target {
    const char *name; // of its folders: tests/fuzz/seeds/<name>, tests/fuzz/regression/<name>, and <name>.dict
    void (*run)(const uint8_t *data, size_t size);
};

extern const struct fuzz_target fuzz_targets[];
extern const size_t fuzz_target_count;

void fuzz_payload(const uint8_t *data, size_t size);
void fuzz_list(const uint8_t *data, size_t size);
void fuzz_address(const uint8_t *data, size_t size);
void fuzz_link(const uint8_t *data, size_t size);
void fuzz_snippet(const uint8_t *data, size_t size);
void fuzz_headers(const uint8_t *data, size_t size);
void fuzz_settings(const uint8_t *data, size_t size);
void fuzz_entry(const uint8_t *data, size_t size);
void fuzz_answer(const uint8_t *data, size_t size);
void fuzz_host(const uint8_t *data, size_t size);
void fuzz_framing(const uint8_t *data, size_t size);
void fuzz_html(const uint8_t *data, size_t size);
void fuzz_segments(const uint8_t *data, size_t size);
void fuzz_form(const uint8_t *data, size_t size);
void fuzz_multipart(const uint8_t *data, size_t size);
void fuzz_mail(const uint8_t *data, size_t size);
void fuzz_charset(const uint8_t *data, size_t size);
void fuzz_event_key(const uint8_t *data, size_t size);
void fuzz_receipts(const uint8_t *data, size_t size);

// A promise that no input may break.
#define FUZZ_ASSERT(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);                                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#endif
