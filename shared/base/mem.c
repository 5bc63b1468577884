// SPDX-License-Identifier: MIT
#include "shared/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Noreturn void mem_exhausted(void) {
    static const char line[] = "out of memory\n";
    if (write(STDERR_FILENO, line, sizeof line - 1) < 0) {
        // Nothing is left to say it with.
    }
    _exit(EXIT_FAILURE);
}

void *xmalloc(size_t size) {
    void *memory = malloc(size > 0 ? size : 1);
    if (memory == NULL) {
        mem_exhausted();
    }
    return memory;
}

void *xcalloc(size_t count, size_t size) {
    void *memory = count > 0 && size > 0 ? calloc(count, size) : calloc(1, 1);
    if (memory == NULL) {
        mem_exhausted();
    }
    return memory;
}

void *xrealloc(void *old, size_t size) {
    void *memory = realloc(old, size > 0 ? size : 1);
    if (memory == NULL) {
        mem_exhausted();
    }
    return memory;
}

char *xstrdup(const char *text) {
    return xstrndup(text, strlen(text));
}

char *xstrndup(const char *text, size_t length) {
    char *copy = xmalloc(length + 1);
    if (length > 0) {
        memcpy(copy, text, length);
    }
    copy[length] = '\0';
    return copy;
}

char *xasprintf(const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        mem_exhausted();
    }
    return text;
}
