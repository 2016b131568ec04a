#!/usr/bin/env python3
"""The arrows of the house: compares what each room and program includes with what it links.

usage: arrows.py [ROOT]       checks the tree; one line for each complaint, exit 1 when there is any
       arrows.py --self-test  breaks a small good tree in each way that the check knows and expects its complaint

Room: wslb_room(NAME SOURCES … LINKS rooms… LIBS libraries…) in lb/NAME/CMakeLists.txt. Program: wslb_program(…) in lb/,
tools/NAME/ or man/. An include in quotes names the room ("proto/ws_frame.h"), from lb/ on; a program may also include
headers of its own folder by their bare names."""
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

# Who may include whom. What stands in a room's LINKS must be in here; a room that isn't here is a complaint.
MAY = {
    'base': '',
    'algo': '',
    'proto': 'base',
    'config': 'base algo',
    'shm': 'base',
    'net': 'base proto',
    'worker': 'config shm algo proto net base',
    'director': 'config shm algo proto net base',
    'supervisor': 'config shm proto net base',
    'wslb': 'supervisor director worker proto base',
    'wslbctl': 'base proto',
    'wslb-echo': 'base proto net',
    'wslb-bench': 'base proto net',
    'wslb-man': 'director config algo proto',
    'wslb-man': 'director config algo proto',
}
MAY = {name: set(rooms.split()) for name, rooms in MAY.items()}

# Headers of libraries: what LIBS calls the library, and who may use it.
LIBRARIES = {
    'ev.h': ('wslb_ev', 'net worker director supervisor wslb wslb-echo wslb-bench'),
    'openssl/': ('OpenSSL::Crypto', 'proto net worker wslb'),
    'ini.h': ('PkgConfig::INIH', 'config'),
    'xxhash.h': ('PkgConfig::XXHASH', 'base'),
    'jansson.h': ('PkgConfig::JANSSON', 'director wslb wslbctl'),
    'histedit.h': ('PkgConfig::EDIT', 'wslbctl'),
    'editline/': ('PkgConfig::EDIT', 'wslbctl'),
}

LINES_MAX = 800  # a file of more is two files


class Unit:
    """A room or a program: its folder, and what its CMakeLists.txt says of it."""

    def __init__(self, name, folder, words, place):
        self.name, self.folder, self.place = name, folder, place
        self.sources, self.links, self.libs = (words.get(k, []) for k in ('SOURCES', 'LINKS', 'LIBS'))


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def without_comments(text):
    return re.sub(r'/\*.*?\*/|//[^\n]*', lambda m: '\n' * m.group().count('\n'), text, flags=re.S)


def units_of(root):
    """Every wslb_room and wslb_program below lb/, tools/ and man/."""
    for top in ('lb', 'tools', 'man'):
        for folder, _, files in os.walk(os.path.join(root, top)):
            if 'CMakeLists.txt' not in files:
                continue
            place = os.path.relpath(os.path.join(folder, 'CMakeLists.txt'), root)
            text = re.sub(r'#[^\n]*', '', read(os.path.join(folder, 'CMakeLists.txt')))
            calls = re.findall(r'wslb_(?:room|program)\s*\(\s*([\w-]+)([^)]*)\)', text)
            for name, arguments in calls:
                words, key = {}, None
                for word in arguments.split():
                    if word in ('SOURCES', 'LINKS', 'LIBS', 'DEST'):
                        key = word
                        words[key] = []
                    elif key:
                        words[key].append(word)
                unit = Unit(name, os.path.relpath(folder, root), words, place)
                unit.libs = unit.libs + [
                    lib for who, libs in re.findall(r'target_link_libraries\s*\(\s*([\w-]+)([^)]*)\)', text)
                    if who == name for lib in libs.split() if lib not in ('PUBLIC', 'PRIVATE', 'INTERFACE')]
                yield unit


def files_of(root, unit):
    """The unit's own C files, relative to root. A folder below it that is a unit itself isn't part of it."""
    here = os.path.join(root, unit.folder)
    for name in sorted(os.listdir(here)):
        if name.endswith(('.c', '.h')):
            yield os.path.join(unit.folder, name)


def includes_of(text):
    """(line number, quoted?, what) of each include."""
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', without_comments(text), re.M):
        yield text.count('\n', 0, match.start()) + 1, match.group(1) == '"', match.group(2)


def check_includes(root, unit, rooms):
    """Each include of the unit, against its LINKS and LIBS; then what it links and doesn't include."""
    used_rooms, used_libs = set(), set()
    for path in files_of(root, unit):
        for line, quoted, what in includes_of(read(os.path.join(root, path))):
            at = '%s:%d' % (path, line)
            if not quoted:
                for prefix, (lib, who) in LIBRARIES.items():
                    if what != prefix and not (prefix.endswith('/') and what.startswith(prefix)):
                        continue
                    used_libs.add(lib)
                    if unit.name not in who.split():
                        yield '%s: %s may not use <%s>' % (at, unit.name, what)
                    elif lib not in unit.libs:
                        yield '%s: <%s> without %s in LIBS of %s' % (at, what, lib, unit.place)
                continue
            room, slash, _ = what.partition('/')
            if not slash:
                if unit.name in rooms:
                    yield '%s: "%s" doesn\'t name its room' % (at, what)
                elif not os.path.exists(os.path.join(root, unit.folder, what)):
                    yield '%s: "%s" is neither in this folder nor names a room' % (at, what)
                continue
            if room not in rooms:
                yield '%s: "%s" names no room' % (at, what)
                continue
            if not os.path.exists(os.path.join(root, rooms[room].folder, what.partition('/')[2])):
                yield '%s: there is no "%s"' % (at, what)
            if room == unit.name:
                continue
            used_rooms.add(room)
            if room not in unit.links:
                yield '%s: "%s" without %s in LINKS of %s' % (at, what, room, unit.place)
    for room in unit.links:
        if room not in used_rooms:
            yield '%s: %s links %s and includes nothing of it' % (unit.place, unit.name, room)
    known = {lib for lib, _ in LIBRARIES.values()}
    for lib in unit.libs:
        if lib in known and lib not in used_libs:
            yield '%s: %s links %s and includes nothing of it' % (unit.place, unit.name, lib)


def check_arrows(unit):
    """LINKS, against who may include whom."""
    if unit.name not in MAY:
        yield '%s: %s isn\'t in the list of who may include whom (tests/unit/arrows.py)' % (unit.place, unit.name)
        return
    for room in unit.links:
        if room not in MAY[unit.name]:
            yield '%s: %s may not link %s' % (unit.place, unit.name, room)


def check_circles(name_of_graph, graph):
    """One line for each circle that a walk meets; graph: {node: [nodes]}."""
    done, path = set(), []

    def walk(node):
        if node in path:
            yield '%s: circle %s' % (name_of_graph, ' -> '.join(path[path.index(node):] + [node]))
            return
        if node in done:
            return
        path.append(node)
        for other in graph.get(node, ()):
            yield from walk(other)
        path.pop()
        done.add(node)

    for node in sorted(graph):
        yield from walk(node)


def check_files(root, unit):
    """Sources that CMake doesn't know, files that are two, headers that only gather others."""
    for path in files_of(root, unit):
        text = read(os.path.join(root, path))
        name = os.path.basename(path)
        if text.count('\n') > LINES_MAX:
            yield '%s: %d lines are two files' % (path, text.count('\n'))
        if name.endswith('.c') and name not in unit.sources:
            yield '%s: not in SOURCES of %s' % (path, unit.place)
        if name.endswith('.h'):
            code = re.sub(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*$', '', without_comments(text), flags=re.M)
            defines = re.findall(r'^[ \t]*#[ \t]*define[ \t]+\w+[ \t(]', without_comments(text), re.M)
            if not code.strip() and not defines and list(includes_of(text)):
                yield '%s: an umbrella header' % path


def check_headers_alone(root, units):
    """Every header compiles alone, and twice."""
    def compile_one(path):
        source = '#include "%s"\n#include "%s"\n' % (path, path)
        run = subprocess.run([os.environ.get('CC', 'gcc'), '-std=gnu11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror',
                              '-fsyntax-only', '-I', 'lb', '-x', 'c', '-'], input=source, text=True, capture_output=True, cwd=root)
        if run.returncode:
            errors = [line for line in run.stderr.splitlines() if 'error' in line] or run.stderr.splitlines()
            return '%s: doesn\'t compile alone: %s' % (path, errors[0] if errors else 'no word of the compiler')
        return None

    headers = [path for unit in units for path in files_of(root, unit) if path.endswith('.h')]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [complaint for complaint in pool.map(compile_one, headers) if complaint]


def check(root):
    units = list(units_of(root))
    rooms = {unit.name: unit for unit in units if unit.folder == 'lb/' + unit.name}
    complaints = []
    if not units:
        complaints.append('%s: no wslb_room and no wslb_program' % root)
    for unit in units:
        complaints += check_arrows(unit)
        complaints += check_includes(root, unit, rooms)
        complaints += check_files(root, unit)
    complaints += check_circles('LINKS', {unit.name: unit.links for unit in units})
    headers = {}
    for unit in units:
        for path in files_of(root, unit):
            if path.endswith('.h'):
                named = (what for _, quoted, what in includes_of(read(os.path.join(root, path))) if quoted)
                headers[path] = ['lb/' + what if '/' in what else os.path.join(unit.folder, what) for what in named]
    complaints += check_circles('headers', headers)
    complaints += check_headers_alone(root, units)
    return complaints


GOOD = {
    'lb/base/CMakeLists.txt': 'wslb_room(base SOURCES log.c)\n',
    'lb/base/log.h': '#ifndef A\n#define A\n#include <stddef.h>\nsize_t log_len(void);\n#endif\n',
    'lb/base/log.c': '#include "base/log.h"\n',
    'lb/proto/CMakeLists.txt': 'wslb_room(proto SOURCES head.c LINKS base LIBS OpenSSL::Crypto)\n',
    'lb/proto/head.h': '#ifndef B\n#define B\n#include "base/log.h"\nint head(void);\n#endif\n',
    'lb/proto/head.c': '#include "proto/head.h"\n#include <openssl/sha.h>\n',
    'tools/wslbctl/CMakeLists.txt': 'wslb_program(wslbctl DEST bin SOURCES main.c LINKS proto)\n',
    'tools/wslbctl/main.c': '#include "screen.h"\n#include "proto/head.h"\n',
    'tools/wslbctl/screen.h': '#ifndef C\n#define C\nint screen(void);\n#endif\n',
}

# What is changed in the good tree, and a piece of the one complaint that must come of it.
BAD = [
    ({'lb/base/log.c': '#include "proto/head.h"\n'}, 'without proto in LINKS'),
    ({'lb/base/CMakeLists.txt': 'wslb_room(base SOURCES log.c LINKS proto)\n',
      'lb/base/log.c': '#include "proto/head.h"\n'}, 'base may not link proto'),
    ({'lb/base/CMakeLists.txt': 'wslb_room(base SOURCES log.c LINKS proto)\n',
      'lb/base/log.c': '#include "proto/head.h"\n'}, 'circle base -> proto -> base'),
    ({'lb/proto/head.h': 'int head(void);\n'}, 'links base and includes nothing of it'),
    ({'lb/proto/head.c': '#include "proto/head.h"\n'}, 'links OpenSSL::Crypto and includes nothing of it'),
    ({'lb/base/log.c': '#include <openssl/sha.h>\n'}, 'base may not use <openssl/sha.h>'),
    ({'lb/proto/CMakeLists.txt': 'wslb_room(proto SOURCES head.c LINKS base)\n'}, 'without OpenSSL::Crypto in LIBS'),
    ({'lb/proto/head.c': '#include "head.h"\n#include <openssl/sha.h>\n'}, '"head.h" doesn\'t name its room'),
    ({'lb/proto/head.c': '#include "cellar/head.h"\n#include <openssl/sha.h>\n'}, 'names no room'),
    ({'lb/proto/head.c': '#include "proto/gone.h"\n#include <openssl/sha.h>\n'}, 'there is no "proto/gone.h"'),
    ({'tools/wslbctl/main.c': '#include "gone.h"\n#include "proto/head.h"\n'}, 'neither in this folder nor names a room'),
    ({'lb/base/log.h': 'size_t log_len(void);\n'}, 'lb/base/log.h: doesn\'t compile alone'),
    ({'lb/base/log.h': 'struct log { int level; };\n'}, 'lb/base/log.h: doesn\'t compile alone'),
    ({'lb/proto/proto.h': '/* all of it */\n#include "proto/head.h"\n'}, 'an umbrella header'),
    ({'lb/proto/head.h': '#ifndef B\n#define B\n#include "base/log.h"\n#include "proto/body.h"\n#endif\n',
      'lb/proto/body.h': '#ifndef D\n#define D\n#include "proto/head.h"\nint body(void);\n#endif\n'},
     'circle lb/proto/body.h -> lb/proto/head.h -> lb/proto/body.h'),
    ({'lb/proto/body.c': '#include "proto/head.h"\n'}, 'lb/proto/body.c: not in SOURCES'),
    ({'lb/base/log.c': '\n' * (LINES_MAX + 1)}, 'are two files'),
    ({'lb/cellar/CMakeLists.txt': 'wslb_room(cellar SOURCES)\n'}, 'cellar isn\'t in the list'),
]


def self_test():
    failures = []
    for changes, wanted in [({}, None)] + BAD:
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**GOOD, **changes}.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), 'w', encoding='utf-8') as f:
                    f.write(text)
            complaints = check(root)
        if wanted is None and complaints:
            failures.append('the good tree: %s' % complaints)
        if wanted and not any(wanted in complaint for complaint in complaints):
            failures.append('wanted "%s", got %s' % (wanted, complaints))
    return failures


def main(arguments):
    if arguments == ['--self-test']:
        complaints = self_test()
    elif len(arguments) <= 1 and not any(a.startswith('-') for a in arguments):
        complaints = check(arguments[0] if arguments else os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..'))
    else:
        print(__doc__, file=sys.stderr)
        return 2
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
