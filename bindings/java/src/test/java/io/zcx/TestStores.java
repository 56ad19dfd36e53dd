package io.zcx;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;

/** Where tests make their stores: in memory, gone afterwards also when the tests are killed. */
final class TestStores {
    private static final Path ROOT = make();
    private static final AtomicInteger NUMBER = new AtomicInteger();

    private TestStores() {}

    private static Path make() {
        try {
            Path shm = Path.of("/dev/shm");
            Path root = Files.isDirectory(shm) ? Files.createTempDirectory(shm, "zcx-test-")
                    : Files.createTempDirectory("zcx-test-");
            // It outlives us, whatever kills us: only we hold the other end of its standard input.
            new ProcessBuilder("sh", "-c", "trap '' INT TERM HUP; cat >/dev/null; rm -rf \"$0\"", root.toString())
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .redirectError(ProcessBuilder.Redirect.DISCARD).start();
            return root;
        } catch (IOException error) {
            throw new java.io.UncheckedIOException(error);
        }
    }

    static Path path() {
        return ROOT.resolve("store" + NUMBER.incrementAndGet());
    }

    static Store open() {
        return open(path());
    }

    static Store open(Path path) {
        return Store.open(path, new Store.Options().budget(256L << 20));
    }

    /** A file of the repository. */
    static Path file(String name) {
        return Path.of(System.getProperty("zcx.root"), name);
    }

    /** What CMake built. */
    static Path built(String name) {
        return Path.of(System.getProperty("zcx.build"), name);
    }
}
