// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_PRIVATE_FILE_H
#define SHARED_BASE_PRIVATE_FILE_H

#include "shared/base/mem.h"

// Files that hold phone numbers, email addresses or what people wrote: nobody but their owner reads them, whatever the
// umask is and whatever rights they had before.

// Opens a file to append to, and makes it where it is missing. Returns the descriptor, or -1 with errno set.
int private_file_append(const char *path) MUST_CHECK;
// Takes everybody else's rights from a file of ours; nothing where that can't be, or where it is no regular file.
void private_file_narrow(const char *path);

#endif
