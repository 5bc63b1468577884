#!/usr/bin/env bash
# Turns a text file into a C array, so that SQL, Lua and the API document live in files of their own.
#   bin/lib/embed.sh persister/sql/batch.sql > build/gen/persister/sql/batch.sql.c
# gives `const char persister_sql_batch_sql[]`, NUL-terminated;
#   bin/lib/embed.sh --declare persister/sql/*.sql > build/gen/persister/embedded.h
# the header that declares them.
# redis/messaging.lua gets its content's version in place of "_dev", in the library's and the functions' names, and
# is called library_text, with library_version beside it.
set -euo pipefail

symbol_of() { printf '%s' "${1//[^a-zA-Z0-9]/_}"; }

if [ "$1" = --declare ]; then
  shift
  printf '// Made by bin/lib/embed.sh.\n#pragma once\n'
  for file; do printf 'extern const char %s[];\n' "$(symbol_of "$file")"; done
  exit
fi

source_file=$1
symbol=$(symbol_of "$source_file")

c_bytes() { od -An -v -tx1 | sed "s/ \\([0-9a-f][0-9a-f]\\)/'\\\\x\\1',/g"; }

printf '// Made from %s by bin/lib/embed.sh.\n' "$source_file"
if [ "$source_file" = redis/messaging.lua ]; then
  version=$(sha256sum "$source_file" | cut -c1-12)
  printf '#include "shared/redis/library.h"\nconst char library_version[] = "%s";\nconst char library_text[] = {\n' "$version"
  sed "s/_dev\\b/_$version/g" "$source_file" | c_bytes
else
  printf 'extern const char %s[];\nconst char %s[] = {\n' "$symbol" "$symbol"
  c_bytes < "$source_file"
fi
printf '0};\n'
