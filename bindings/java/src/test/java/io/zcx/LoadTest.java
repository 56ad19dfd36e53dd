package io.zcx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which libzcx is loaded, and what is said when it is the wrong one. */
class LoadTest {
    @TempDir
    private Path directory;

    /** Prints the file that libzcx was loaded from. */
    public static void main(String[] arguments) throws IOException {
        Native.version();
        for (String line : Files.readAllLines(Path.of("/proc/self/maps"))) {
            if (line.contains("libzcx.so")) {
                System.out.println(line.substring(line.indexOf('/')));
                return;
            }
        }
    }

    private String load() throws Exception {
        Process child = new ProcessBuilder(System.getProperty("java.home") + "/bin/java",
                "-Djava.library.path=" + directory, "-cp", HammerTest.CLASS_PATH, LoadTest.class.getName())
                .redirectErrorStream(true).start();
        String output = new String(child.getInputStream().readAllBytes());
        child.waitFor();
        return output;
    }

    @Test
    void theSystemsLibraryComesBeforeTheCarriedOne() throws Exception {
        Path system = directory.resolve("libzcx.so.0");
        Files.copy(TestStores.built("core/libzcx.so.0"), system);
        assertEquals(system.toRealPath() + "\n", load());
        Files.delete(system);
        assertTrue(!load().startsWith(directory.toString()) && load().contains("libzcx.so"));
    }

    @Test
    void aWrongLibraryIsNamed() throws Exception {
        Files.writeString(directory.resolve("libzcx.so.0"), "no library");
        assertTrue(load().contains(directory + "/libzcx.so.0"), load());
    }
}
