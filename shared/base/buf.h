// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_BUF_H
#define SHARED_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

// A growing run of bytes. Zero-initialised is empty and valid. data is NUL-terminated once anything was
// appended (the NUL is not counted), NULL before.
struct buf {
    char *data;
    size_t length; // bytes in use
    size_t room;   // bytes allocated
};

void buf_append(struct buf *buf, const void *bytes, size_t length);
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char byte);
void buf_put_int(struct buf *buf, int64_t value); // in decimal
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *buf, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));
// Makes room for at least `more` further bytes and the NUL, so that a caller can write at data + length.
void buf_reserve(struct buf *buf, size_t more);
// The same, and no more than that, where the length to come is known.
void buf_reserve_exactly(struct buf *buf, size_t more);
// Empties it and keeps its memory.
void buf_clear(struct buf *buf);
void buf_free(struct buf *buf);

#endif
