package io.zcx;

import static io.zcx.StoreTest.fails;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LoanTest {
    private final Store store = TestStores.open();

    @AfterEach
    void close() {
        store.close();
    }

    @Test
    void everyKindOfNumberGoesIn() {
        try (Loan loan = store.loan(4096)) {
            loan.fill(buffer -> {
                buffer.clear();
                buffer.putByte(0, (byte) 1);
                buffer.putShort(2, (short) 2);
                buffer.putInt(4, 3);
                buffer.putLong(8, 4);
                buffer.putFloat(16, 5);
                buffer.putDouble(24, 6);
                buffer.put(32, (byte) 7, (byte) 8);
                buffer.put(40, new short[] {9});
                buffer.put(44, new int[] {10});
                buffer.put(48, new long[] {11});
                buffer.put(56, new float[] {12});
                buffer.put(64, new double[] {13, 14});
                buffer.slice(80, 8).putDouble(0, 15);
                buffer.put(88, ByteBuffer.allocateDirect(4).putInt(0, 16));
                assertEquals(1, buffer.getByte(0));
                assertEquals(3, buffer.getInt(4));
                assertEquals(4, buffer.getLong(8));
                assertEquals(15, buffer.getDouble(80));
                assertEquals(4096, buffer.size());
            });
            loan.publish("key");
        }
        ByteBuffer found = (ByteBuffer) store.get("key");
        assertEquals(2, found.getShort(2));
        assertEquals(5, found.getFloat(16));
        assertEquals(8, found.get(33));
        assertEquals(9, found.getShort(40));
        assertEquals(10, found.getInt(44));
        assertEquals(11, found.getLong(48));
        assertEquals(12, found.getFloat(56));
        assertEquals(14, found.getDouble(72));
        assertEquals(15, found.getDouble(80));
        assertEquals(16 << 24, found.getInt(88));
        assertEquals(0, found.get(4095));
        assertEquals(4096, found.remaining());
    }

    @Test
    void nothingIsWrittenOutside() {
        try (Loan loan = store.loan(100)) {
            loan.fill(buffer -> {
                fails(Status.EINVAL, () -> buffer.putDouble(93, 1));
                fails(Status.EINVAL, () -> buffer.putByte(-1, (byte) 1));
                fails(Status.EINVAL, () -> buffer.putByte(Long.MAX_VALUE, (byte) 1));
                fails(Status.EINVAL, () -> buffer.put(96, new int[2]));
                fails(Status.EINVAL, () -> buffer.slice(50, 51));
                fails(Status.EINVAL, () -> buffer.slice(50, 50).putInt(47, 1));
                fails(Status.EINVAL, () -> buffer.slice(-1, 1));
                buffer.putByte(99, (byte) 1);
            });
            fails(Status.EINVAL, () -> loan.publish(Utf8.bytes("k"), 101, Envelope.of(Format.RAW)));
            fails(Status.EINVAL, () -> loan.publish(Utf8.bytes("k"), -1, Envelope.of(Format.RAW)));
            loan.publish(Utf8.bytes("k"), 50, Envelope.of(Format.RAW));
        }
        assertEquals(50, ((ByteBuffer) store.get("k")).remaining());
    }

    /** The promise: whatever the filler kept, it cannot write once fill has returned. */
    @Test
    void whatIsKeptCannotWriteAfterwards() throws Exception {
        for (long size : new long[] {16, 1 << 20}) {
            List<LoanBuffer> kept = new ArrayList<>();
            var channel = new AtomicReference<java.nio.channels.WritableByteChannel>();
            try (Loan loan = store.loan(size)) {
                loan.fill(buffer -> {
                    buffer.putLong(0, 42);
                    kept.add(buffer);
                    kept.add(buffer.slice(0, 8));
                    kept.add(buffer.slice(0, 8).slice(0, 8));
                    channel.set(buffer.channel());
                });
                kept.forEach(buffer -> fails(Status.ECLOSED, () -> buffer.putLong(0, 1)));
                loan.fill(again -> kept.forEach(old -> fails(Status.ECLOSED, () -> old.putLong(0, 1))));
                loan.publish("key");
            }
            for (LoanBuffer buffer : kept) {
                fails(Status.ECLOSED, () -> buffer.putLong(0, 1));
                fails(Status.ECLOSED, () -> buffer.put(0, new byte[1]));
                fails(Status.ECLOSED, () -> buffer.put(0, new double[1]));
                fails(Status.ECLOSED, () -> buffer.slice(0, 1));
                fails(Status.ECLOSED, buffer::clear);
                fails(Status.ECLOSED, () -> buffer.getLong(0));
            }
            assertFalse(channel.get().isOpen());
            fails(Status.ECLOSED, () -> channel.get().write(ByteBuffer.allocate(1)));
            assertEquals(42, ((ByteBuffer) store.get("key")).getLong(0));
        }
    }

    @Test
    void onlyTheFillingThreadWrites() throws Exception {
        AtomicReference<Throwable> seen = new AtomicReference<>();
        try (Loan loan = store.loan(4096)) {
            loan.fill(buffer -> {
                Thread other = new Thread(() -> buffer.putInt(0, 1));
                other.setUncaughtExceptionHandler((thread, error) -> seen.set(error));
                other.start();
                join(other);
            });
        }
        assertEquals(Status.EINVAL, ((ZcxException) seen.get()).status());
    }

    static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }

    @Test
    void closingWhileItIsFilledWaitsForTheFiller() {
        Loan loan = store.loan(1 << 20);
        loan.fill(buffer -> {
            loan.close();
            buffer.putInt(0, 1);
            fails(Status.ECLOSED, () -> loan.publish("key"));
        });
        fails(Status.ECLOSED, () -> loan.fill(buffer -> {}));
        try (Loan busy = store.loan(1 << 20)) {
            busy.fill(buffer -> fails(Status.EBUSY, () -> busy.publish("key")));
            busy.fill(buffer -> fails(Status.EBUSY, () -> busy.fill(inner -> {})));
        }
        assertFalse(store.exists("key"));
    }

    @Test
    void aFillerThatThrowsLeavesTheLoan() {
        try (Loan loan = store.loan(4096)) {
            assertThrows(IllegalStateException.class, () -> loan.fill(buffer -> {
                throw new IllegalStateException("no");
            }));
            loan.fill(buffer -> buffer.putInt(0, 1)).publish("key");
        }
        assertTrue(store.exists("key"));
    }

    @Test
    void channelsWriteOneAfterTheOther() {
        try (Loan loan = store.loan(4096)) {
            loan.fill(buffer -> {
                var channel = buffer.channel();
                try {
                    assertEquals(3, channel.write(ByteBuffer.wrap(new byte[] {1, 2, 3})));
                    assertEquals(1, channel.write(ByteBuffer.wrap(new byte[] {4})));
                } catch (java.io.IOException error) {
                    throw new java.io.UncheckedIOException(error);
                }
            });
            loan.publish(Utf8.bytes("key"), 4, Envelope.of(Format.RAW));
        }
        assertEquals(ByteBuffer.wrap(new byte[] {1, 2, 3, 4}), store.get("key"));
    }

    @Test
    void aFullStoreIsAnErrorThatNamesTheHolders() {
        List<Loan> loans = new ArrayList<>();
        ZcxException error = fails(Status.EFULL, () -> {
            for (;;) {
                loans.add(store.loan(64 << 20));
            }
        });
        assertTrue(error.getMessage().contains("process"), error.getMessage());
        loans.forEach(Loan::close);
        store.loan(64 << 20).close();
    }
}
