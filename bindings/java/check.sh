#!/bin/sh
# Tests what is in Java. Usage: check.sh <CMake's build directory>
# Maven fetches what the poms name once; then it needs no network.
set -eu
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
stamp=$HOME/.m2/zcx-$(cat bindings/java/pom.xml calculators/java/pom.xml | sha256sum | cut -c 1-16)
offline=
[ ! -e "$stamp" ] || offline=--offline

maven() {
    mvn --batch-mode --no-transfer-progress $offline -Dzcx.build="$build" "$@"
}

[ "${2:-}" != jars ] || { # for an installation, and for tests of other languages
    maven --quiet -f bindings/java package -DskipTests
    maven --quiet -f calculators/java package -DskipTests
    exit 0
}
maven -f bindings/java package
maven -f calculators/java package
touch "$stamp"
echo "The page and the example"
python3 tests/cpp/page.py docs/java.md examples/calculator-java "$build"
