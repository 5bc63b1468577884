// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_URL_PART_H
#define SHARED_POSTGRES_URL_PART_H

#include <libpq-fe.h>

// A part of a parsed URL; NULL where it is empty or not there.
const char *pg_url_part(const PQconninfoOption *parts, const char *keyword);

#endif
