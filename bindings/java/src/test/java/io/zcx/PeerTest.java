package io.zcx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** Payloads of every format and size come back as they went in; one of 100 MB, too. */
class PeerTest {
    @Test
    void everyFormatAndSize() {
        try (Store store = Store.open(TestStores.path(), new Store.Options().budget(1L << 30))) {
            for (String format : new String[] {"raw", "json", "msgpack", "numpy"}) {
                for (int size : new int[] {0, 1, 1000, 1_000_000}) {
                    Peer.write(store, "key", format, size);
                    Peer.read(store, "key", format, size);
                    String other = format.equals("raw") ? "json" : "raw";
                    assertThrows(RuntimeException.class, () -> Peer.read(store, "key", other, size));
                    assertThrows(RuntimeException.class, () -> Peer.read(store, "key", format, size + 8));
                }
            }
            Peer.write(store, "large", "msgpack", 100_000_000);
            Peer.read(store, "large", "msgpack", 100_000_000);
        }
    }

    @Test
    void theProgramReadsWhatAnotherProcessWrote() throws Exception {
        Path path = TestStores.path();
        TestStores.open(path).close();
        assertEquals(0, run("write", path.toString(), "key", "msgpack", "1000"));
        assertEquals(0, run("read", path.toString(), "key", "msgpack", "1000"));
        assertEquals(1, run("read", path.toString(), "key", "msgpack", "1008"));
        assertEquals(1, run("nonsense"));
    }

    private static int run(String... arguments) throws Exception {
        java.util.List<String> words = new java.util.ArrayList<>(java.util.List.of(
                System.getProperty("java.home") + "/bin/java", "-cp", HammerTest.CLASS_PATH, Peer.class.getName()));
        words.addAll(java.util.List.of(arguments));
        return new ProcessBuilder(words).redirectError(ProcessBuilder.Redirect.DISCARD).start().waitFor();
    }
}
