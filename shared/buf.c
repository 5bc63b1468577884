// SPDX-License-Identifier: MIT
#include "shared/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/mem.h"

#define FIRST_ROOM 256

void buf_reserve(struct buf *buf, size_t more) {
    // A size that doesn't fit is left to xrealloc, which ends the process.
    size_t needed = more < SIZE_MAX - buf->length ? buf->length + more + 1 : SIZE_MAX;
    if (needed <= buf->room) {
        return;
    }
    size_t room = buf->room < FIRST_ROOM ? FIRST_ROOM : buf->room;
    while (room < needed) {
        room = room <= SIZE_MAX / 2 ? room * 2 : needed;
    }
    buf->data = xrealloc(buf->data, room);
    buf->room = room;
}

void buf_append(struct buf *buf, const void *bytes, size_t length) {
    buf_reserve(buf, length);
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
    buf_append(buf, &byte, 1);
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
