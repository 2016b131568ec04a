#!/usr/bin/env bash
# wslb at work, in one command: installs what is missing, builds, then tools/demo.py runs a balancer, three backends
# and a client, shows the admin tables and ends.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C.UTF-8

tools/deps.sh build
mkdir -p build
log=build/demo-build.log
echo "building (the words of the build go to $log)"
{ cmake --preset release && cmake --build --preset release --target wslb wslbctl wslb-echo; } >"$log" 2>&1 || {
    tail -n 30 "$log"
    echo "demo: the build failed, see $log" >&2
    exit 1
}
exec python3 tools/demo.py build/release/bin conf/wslb.ini </dev/null
