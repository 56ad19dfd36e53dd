package io.zcx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.junit.jupiter.api.Test;

/** Threads that open, use and close each other's objects at any moment. No JVM may crash of it. */
class HammerTest {
    static final String CLASS_PATH = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    private static final int THREADS = 6;
    private static final int STEPS = 15_000;

    private final Store[] stores = new Store[4];
    private final AtomicReferenceArray<View> views = new AtomicReferenceArray<>(4);
    private final AtomicReferenceArray<Loan> loans = new AtomicReferenceArray<>(4);
    private final AtomicReferenceArray<Batch> batches = new AtomicReferenceArray<>(2);
    private final AtomicReferenceArray<Scan> scans = new AtomicReferenceArray<>(2);
    private final AtomicReferenceArray<ByteBuffer> buffers = new AtomicReferenceArray<>(8);
    private volatile long sum;

    /** What is closed, lost, busy, gone or full by what the others do. Anything else is wrong. */
    private static final List<Status> EXPECTED = List.of(Status.ECLOSED, Status.EBUSY, Status.ENOTFOUND,
            Status.EFULL, Status.EINVAL, Status.ELIMIT);

    private void step(Path path, ThreadLocalRandom random) {
        int at = random.nextInt(4);
        Store store = stores[at];
        switch (random.nextInt(16)) {
            case 0 -> {
                if (random.nextInt(50) == 0) {
                    store.close();
                    stores[at] = TestStores.open(path);
                }
            }
            case 1 -> store.put("key", Map.of("a", new double[random.nextInt(2000)], "text", "x"));
            case 2 -> close(views.getAndSet(at, store.view("key")));
            case 3 -> close(loans.getAndSet(at, store.loan(random.nextInt(100_000))));
            case 4 -> close(batches.getAndSet(at % 2, store.batch()));
            case 5 -> close(scans.getAndSet(at % 2, store.scan(new Scan.Options().envelopes())));
            case 6 -> with(views.get(at), view -> buffers.set(random.nextInt(8), view.buffer()));
            case 7 -> with(views.get(at), view -> sum += view.map().size() + view.length() + view.key().length());
            case 8 -> with(views.get(at), View::verify);
            case 9 -> with(loans.get(at), loan -> loan.fill(buffer -> buffer.put(0, new byte[(int) buffer.size()])));
            case 10 -> with(loans.get(at), loan -> loan.publish("key", Envelope.of(Format.RAW)));
            case 11 -> with(batches.get(at % 2), batch -> batch.put("other", new byte[3000]).delete("key"));
            case 12 -> with(batches.get(at % 2), Batch::commit);
            case 13 -> with(scans.get(at % 2), scan -> sum += scan.hasNext() ? scan.next().key().length() : 0);
            case 14 -> with(buffers.get(random.nextInt(8)), buffer -> sum += buffer.get(buffer.limit() - 1));
            default -> sum += store.stat().length() + store.count() + (store.exists("key") ? 1 : 0);
        }
    }

    private interface Action<T> {
        void on(T object);
    }

    private static <T> void with(T object, Action<T> action) {
        if (object != null) {
            action.on(object);
        }
    }

    private static void close(AutoCloseable object) {
        try {
            if (object != null) {
                object.close();
            }
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    private void run(Path path) throws InterruptedException {
        for (int i = 0; i < stores.length; i++) {
            stores[i] = TestStores.open(path);
        }
        AtomicReference<Throwable> wrong = new AtomicReference<>();
        Thread[] threads = new Thread[THREADS];
        for (int i = 0; i < THREADS; i++) {
            threads[i] = new Thread(() -> {
                for (int n = 0; n < STEPS && wrong.get() == null; n++) {
                    try {
                        step(path, ThreadLocalRandom.current());
                    } catch (ZcxException error) {
                        if (!EXPECTED.contains(error.status())) {
                            wrong.set(error);
                        }
                    } catch (java.util.NoSuchElementException error) {
                        continue; // another thread took the scan's last entry
                    } catch (IndexOutOfBoundsException error) {
                        continue; // an empty payload has no last byte
                    } catch (Throwable error) {
                        wrong.set(error);
                    }
                }
            });
            threads[i].start();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        if (wrong.get() != null) {
            throw new AssertionError(wrong.get());
        }
    }


    /** A JVM of its own: what -Xcheck:jni warns of it prints, and what crashes it ends it. */
    @Test
    void noCallOnAClosedObjectCrashesTheJvm() throws Exception {
        Process child = new ProcessBuilder(System.getProperty("java.home") + "/bin/java", "-Xcheck:jni", "-Xmx256m",
                "-cp", CLASS_PATH,
                HammerTest.class.getName(), TestStores.path().toString()).redirectErrorStream(true).start();
        String output = new String(child.getInputStream().readAllBytes());
        assertEquals(true, child.waitFor(120, TimeUnit.SECONDS));
        assertEquals(0, child.exitValue(), output);
        assertFalse(output.contains("WARNING") || output.contains("FATAL"), output);
        assertEquals("done\n", output);
    }

    public static void main(String[] arguments) throws InterruptedException {
        new HammerTest().run(Path.of(arguments[0]));
        System.out.println("done");
    }
}
