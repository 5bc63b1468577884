// SPDX-License-Identifier: MIT
//
// One write(2) a line, so that a mock that is killed leaves whole lines, and all of those it has answered.
#include "dispatcher/mock/ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/private_file.h"

struct mock_ledger {
    int file; // -1: none
    struct buf line;
};

struct mock_ledger *mock_ledger_open(const char *path) {
    struct mock_ledger *ledger = xcalloc(1, sizeof *ledger);
    ledger->file = *path == '\0' ? -1 : private_file_append(path);
    if (*path != '\0' && ledger->file < 0) {
        int why = errno;
        free(ledger);
        errno = why;
        return NULL;
    }
    return ledger;
}

void mock_ledger_close(struct mock_ledger *ledger) {
    if (ledger->file >= 0) {
        close(ledger->file);
    }
    buf_free(&ledger->line);
    free(ledger);
}

static void mock_ledger_write(struct mock_ledger *ledger) {
    if (write(ledger->file, ledger->line.data, ledger->line.length) != (ssize_t)ledger->line.length) {
        log_error("ledger_failed", "a call could not be written down: %s", strerror(errno));
    }
}

void mock_ledger_add(struct mock_ledger *ledger, enum provider provider, const char *key, enum mock_verdict verdict) {
    if (ledger->file < 0) {
        return;
    }
    buf_clear(&ledger->line);
    buf_printf(&ledger->line, "%" PRId64 " %s %s %s\n", clock_unix_ms(), provider_name(provider),
               key != NULL && *key ? key : "-", mock_verdict_name(verdict));
    mock_ledger_write(ledger);
}

void mock_ledger_note(struct mock_ledger *ledger, const char *lines) {
    if (ledger->file < 0) {
        return;
    }
    buf_clear(&ledger->line);
    for (size_t length; *lines != '\0'; lines += length) {
        length = strcspn(lines, "\n") + 1;
        buf_printf(&ledger->line, "%" PRId64 " %.*s", clock_unix_ms(), (int)length, lines);
    }
    mock_ledger_write(ledger);
}
