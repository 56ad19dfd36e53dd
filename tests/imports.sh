#!/bin/sh
# What is installed starts no shell and no program that a path is searched for: it imports no function
# that does. (`zcx sweep --every` becomes the sweeper installed beside it, by execv.) Plug-ins are the
# only thing that is loaded, by dlopen, with the path that a configuration or command line names.
# Usage: imports.sh <file> ...
set -eu
for file; do
    test -s "$file"
    found=$(nm -D --undefined-only "$file" |
        grep -E ' (system|popen|execl[ep]?|execvpe?|fexecve|posix_spawnp?|wordexp|fork|vfork|dlmopen)(@|$)') || continue
    echo "$file imports $found"
    exit 1
done
echo "$# files start no other program"
