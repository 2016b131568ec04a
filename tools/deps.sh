#!/usr/bin/env bash
# Installs what a Debian 12 lacks for building wslb (`tools/deps.sh build`) or for its tests, too
# (`tools/deps.sh test`), and nothing that is there already. This is the one list of what the project needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# libcmocka-dev: the presets build the unit tests beside the programs. python3: the demo's client.
build_packages="gcc libc6-dev cmake ninja-build pkg-config python3
    libev-dev libssl-dev libinih-dev libxxhash-dev libjansson-dev libedit-dev libcmocka-dev"
test_packages="clang libclang-rt-14-dev clang-format python3-pytest python3-websockets python3-aiohttp util-linux
    ca-certificates"
# Node may come from elsewhere, and Debian's packages then conflict with it: these go by their commands.
test_commands="node:nodejs npm:npm"

usage() {
    echo "usage: tools/deps.sh build|test"
}

say() {
    echo "deps: $*" >&2
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        env "$@"
    elif command -v sudo >/dev/null; then
        sudo env "$@"
    else
        say "neither root nor sudo here; as root, run: apt-get install $missing"
        exit 1
    fi
}

installed() { # by dpkg, and whole
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

case "${1:-}" in
build) packages=$build_packages commands= ;;
test) packages="$build_packages $test_packages" commands=$test_commands ;;
-h | --help)
    usage
    exit 0
    ;;
*)
    usage >&2
    exit 2
    ;;
esac

missing=
if command -v dpkg-query >/dev/null; then
    for package in $packages; do
        installed "$package" || missing="$missing $package"
    done
    for pair in $commands; do
        command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
    done
else
    # shellcheck disable=SC2086  # lists of words
    say "this is no Debian; what Debian calls" $packages $commands "must be there already"
fi
missing=${missing# }

if [ -n "$missing" ]; then
    say "installing $missing"
    as_root DEBIAN_FRONTEND=noninteractive apt-get -q update </dev/null >&2
    # shellcheck disable=SC2086  # a list of words
    as_root DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing </dev/null >&2
fi

# The end-to-end tests' JavaScript WebSocket library, pinned in tests/e2e/package.json, into the build folder.
# It is made beside its place and moved there, so that an interrupted run leaves nothing that looks whole.
npm_dir=build/npm
if [ "$1" = test ] && ! cmp -s tests/e2e/package.json "$npm_dir/package.json"; then
    say "installing the npm package of tests/e2e/package.json into $npm_dir"
    rm -rf "$npm_dir" "$npm_dir.new"
    mkdir -p "$npm_dir.new"
    cp tests/e2e/package.json "$npm_dir.new/"
    (cd "$npm_dir.new" && npm install --no-package-lock --no-audit --no-fund --loglevel=error </dev/null >&2)
    mv "$npm_dir.new" "$npm_dir"
fi
