// SPDX-License-Identifier: MIT
#include "shared/base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/decimal.h"
#include "shared/base/mem.h"

#define FIRST_ROOM 256

// A size that doesn't fit is left to xrealloc, which ends the process.
static __attribute__((noinline)) void grow(struct buf *buf, size_t more) {
    size_t needed = more < SIZE_MAX - buf->length ? buf->length + more + 1 : SIZE_MAX;
    size_t room = buf->room < FIRST_ROOM ? FIRST_ROOM : buf->room;
    while (room < needed) {
        room = room <= SIZE_MAX / 2 ? room * 2 : needed;
    }
    buf->data = xrealloc(buf->data, room);
    buf->room = room;
}

static inline void buf_make_room(struct buf *buf, size_t more) {
    if (more >= buf->room - buf->length) { // room is 0 or at least length + 1
        grow(buf, more);
    }
}

void buf_reserve(struct buf *buf, size_t more) {
    buf_make_room(buf, more);
}

void buf_reserve_exactly(struct buf *buf, size_t more) {
    if (more >= buf->room - buf->length) {
        size_t room = more < SIZE_MAX - buf->length ? buf->length + more + 1 : SIZE_MAX;
        buf->data = xrealloc(buf->data, room);
        buf->room = room;
    }
}

void buf_append(struct buf *buf, const void *bytes, size_t length) {
    buf_make_room(buf, length);
    if (length > 0) {
        memcpy(buf->data + buf->length, bytes, length);
    }
    buf->length += length;
    buf->data[buf->length] = '\0';
}

void buf_puts(struct buf *buf, const char *text) {
    buf_append(buf, text, strlen(text));
}

void buf_putc(struct buf *buf, char byte) {
    buf_make_room(buf, 1);
    buf->data[buf->length++] = byte;
    buf->data[buf->length] = '\0';
}

void buf_put_int(struct buf *buf, int64_t value) {
    char room[DECIMAL_SIZE];
    const char *text = decimal_write(value, room);
    buf_append(buf, text, (size_t)(room + sizeof room - 1 - text));
}

void buf_printf(struct buf *buf, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(buf, format, arguments);
    va_end(arguments);
}

void buf_vprintf(struct buf *buf, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    buf_reserve(buf, 0);
    int length = vsnprintf(buf->data + buf->length, buf->room - buf->length, format, arguments);
    if (length > 0) {
        if ((size_t)length >= buf->room - buf->length) {
            buf_reserve(buf, (size_t)length);
            vsnprintf(buf->data + buf->length, buf->room - buf->length, format, again);
        }
        buf->length += (size_t)length;
    }
    buf->data[buf->length] = '\0';
    va_end(again);
}

void buf_clear(struct buf *buf) {
    buf->length = 0;
    if (buf->data != NULL) {
        buf->data[0] = '\0';
    }
}

void buf_free(struct buf *buf) {
    free(buf->data);
    *buf = (struct buf){0};
}
