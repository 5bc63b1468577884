// SPDX-License-Identifier: MIT
// libFuzzer's entry points (https://llvm.org/docs/LibFuzzer.html). One program for all targets: FUZZ_TARGET names one.

#include <string.h>

#include "tests/fuzz/targets.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    const char *name = getenv("FUZZ_TARGET");
    (void)argc, (void)argv;
    for (size_t i = 0; i < fuzz_target_count; i++) {
        if (name != NULL && strcmp(name, fuzz_targets[i].name) == 0) {
            target = &fuzz_targets[i];
        }
    }
    if (target == NULL) {
        fprintf(stderr, "FUZZ_TARGET must be one of:");
        for (size_t i = 0; i < fuzz_target_count; i++) {
            fprintf(stderr, " %s", fuzz_targets[i].name);
        }
        fputc('\n', stderr);
        exit(2);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    target->run(data, size);
    return 0;
}
