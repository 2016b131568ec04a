#!/usr/bin/env bash
# Installs what is missing, builds wslb and runs its tests. Ends with ctest's own summaries; exit status 0 only
# when everything passed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C.UTF-8

usage() {
    cat <<'TEXT'
usage: tests/run.sh [--quick] [--long]
  (none)   all tests but the long ones on the release build; then, on the asan build (address and undefined-behaviour
           sanitizers), all but the house's and with the core of the end-to-end tests
  --quick  the release build only
  --long   the tests that take minutes, too
TEXT
}

presets="release asan"
long=
for word in "$@"; do
    case $word in
    --quick) presets=release ;;
    --long) long=yes ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
done

tools/deps.sh test

jobs=$(nproc)
mkdir -p build
for preset in $presets; do
    cmake --preset "$preset" >"build/configure-$preset.log" 2>&1 || {
        cat "build/configure-$preset.log"
        exit 1
    }
    cmake --build --preset "$preset" -j "$jobs"
done

# run_tests NAME CTEST-ARGUMENT...: the rest of the tests still runs when some have failed
failed=
logs=
run_tests() {
    local log=build/tests-$1.log
    shift
    logs="$logs $log"
    ctest --no-tests=error -j "$jobs" "$@" 2>&1 | tee "$log" || failed=yes
}

run_tests release --preset release
case $presets in
*asan*) run_tests asan --preset asan -L '^(unit|contract|fuzz|core)$' ;;
esac
if [ -n "$long" ]; then
    jobs=1 # these measure, so one at a time
    run_tests long --preset release -C long -L '^long$'
fi

for log in $logs; do
    echo
    echo "== $log"
    sed -n '/tests passed, /,$p' "$log" | grep -v '^$' || tail -n 20 "$log"
done
[ -z "$failed" ]
