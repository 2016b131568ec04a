#!/usr/bin/env bash
# usage: format.sh CLANG-FORMAT     complains of every C file that isn't as .clang-format says
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
find lb tools tests backend-agent -name '*.[ch]' -print0 2>/dev/null | xargs -0 -r -n 20 "$1" --dry-run -Werror
