#!/usr/bin/env bash
# usage: format.sh CLANG-FORMAT     complains of every C file that isn't as .clang-format says
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
find . -path ./build -prune -o -name '*.[ch]' -print0 | xargs -0 -r -n 20 "$1" --dry-run -Werror
