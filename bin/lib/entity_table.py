#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes shared/message/html_entity_table.c (`make entity-table`).

Usage: entity_table.py TABLE.c

The facts are HTML's named character references (https://html.spec.whatwg.org/multipage/named-characters.html), as
Python's html.entities has them.
"""
import sys
from html.entities import html5

HEAD = """// SPDX-License-Identifier: MIT
// Made by bin/lib/entity_table.py (make entity-table); not to be changed by hand. HTML's named character references,
// https://html.spec.whatwg.org/multipage/named-characters.html, as Python's html.entities has them.
#include "shared/message/html_entity_table.h"

// clang-format off

const struct html_entity html_entities[] = {"""
TAIL = """};

const size_t html_entity_count = sizeof html_entities / sizeof *html_entities;"""


def main(path):
    with open(path, "w") as out:
        print(HEAD, file=out)
        for name in sorted(name[:-1] for name in html5 if name.endswith(";")):
            codes = [ord(c) for c in html5[name + ";"]] + [0]
            print(f'    {{"{name}", {codes[0]:#x}, {codes[1]:#x}, {"true" if name in html5 else "false"}}},', file=out)
        print(TAIL, file=out)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: entity_table.py TABLE.c")
    main(sys.argv[1])
