#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Prints the names of the suites below tests/KIND (unit, integration): test_<noun>.c is called <noun>, and in a folder
# <folder>_<noun>, as tests/unit has the product's folders; <folder> alone, where the two are the same word.
set -euo pipefail
cd -- "$(dirname -- "$0")/.."

find "tests/$1" -name 'test_*.c' | sort |
  sed -E -e "s#^tests/$1/test_(.*)\\.c\$#\\1#" -e 's#.*/([^/]+)/test_(.*)\.c$#\1_\2#' -e 's#^(.*)_\1$#\1#'
