// SPDX-License-Identifier: MIT
#ifndef INGEST_READ_ROW_ID_H
#define INGEST_READ_ROW_ID_H

#include <stdbool.h>

// Whether the text is a decimal number from 1 to the greatest bigint, as Postgres gives them out.
bool row_id_is_valid(const char *text);

#endif
