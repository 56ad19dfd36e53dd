package io.zcx;

import static io.zcx.StoreTest.fails;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.ReadOnlyBufferException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Payloads stay what they are as long as anything that reads them can be reached, and no longer. */
class LifetimeTest {
    private static final int SIZE = 1 << 20;

    private final Store store = TestStores.open();

    @AfterEach
    void close() {
        store.close();
    }

    static void untilCollected(BooleanSupplier done) {
        for (long end = System.nanoTime() + 20_000_000_000L; !done.getAsBoolean();) {
            assertTrue(System.nanoTime() < end, "the collector did not give it back");
            System.gc();
            Thread.onSpinWait();
        }
    }

    /** Views that this process has of slots, as the store counts them; or its loans. */
    private long held(String what) {
        List<?> holders = (List<?>) Calculator.config(store.stat()).get("holders");
        return holders.stream().mapToLong(holder -> (Long) ((Map<?, ?>) holder).get(what)).sum();
    }

    private long pins() {
        return held("views");
    }

    private void put(int first) {
        try (Loan loan = store.loan(SIZE)) {
            loan.fill(buffer -> buffer.putInt(0, first)).publish("key");
        }
    }

    private void overwriteOften() {
        for (int i = 100; i < 200; i++) {
            put(i);
        }
    }

    @Test
    void aViewThatWasNotReadIsUnpinnedAtClose() {
        put(1);
        try (View view = store.view("key")) {
            assertEquals(1, pins());
            assertEquals(SIZE, view.length());
            assertEquals(SIZE, view.envelope().length());
        }
        assertEquals(0, pins());
        store.put("map", Map.of("text", "x".repeat(5000), "n", 1));
        try (View view = store.view("map")) {
            assertEquals(1L, view.map().get("n"));
        }
        assertEquals(0, pins());
    }

    @Test
    void buffersKeepTheirPayloadAfterClose() {
        put(1);
        View view = store.view("key");
        List<ByteBuffer> kept = new ArrayList<>();
        kept.add(view.buffer().slice().order(ByteOrder.nativeOrder()));
        kept.add(view.buffer().duplicate().slice(0, 16).order(ByteOrder.nativeOrder()));
        kept.add(view.buffer(0, 8));
        view.close();
        overwriteOften();
        store.delete("key");
        for (ByteBuffer buffer : kept) {
            assertEquals(1, buffer.getInt(0));
        }
        assertEquals(1, pins());
        kept.remove(0);
        kept.remove(0);
        System.gc();
        assertEquals(1, kept.get(0).getInt(0));
        assertEquals(1, pins());
        kept.clear();
        untilCollected(() -> pins() == 0);
    }

    @Test
    void arraysKeepTheirPayloadAfterClose() {
        store.put("key", Map.of("a", new double[] {1, 2, 3}, "b", new double[10_000]));
        View view = store.view("key");
        Map<String, Object> map = view.map();
        TypedArray array = (TypedArray) map.get("a");
        map = null;
        view.close();
        store.put("key", Map.of("a", new double[] {4, 5, 6}, "b", new double[10_000]));
        store.close();
        DoubleBuffer doubles = array.asDoubles(); // a first buffer of it, long after
        array = null;
        System.gc();
        assertEquals(2, doubles.get(1));
    }

    @Test
    void forgottenViewsAndLoansAreGivenBack() {
        put(1);
        for (int i = 0; i < 100; i++) {
            store.view("key").buffer();
            store.loan(SIZE).fill(buffer -> buffer.putInt(0, 1));
        }
        untilCollected(() -> pins() == 0 && held("loans") == 0);
    }

    @Test
    void aFullStoreCollectsWhatIsForgotten() {
        for (int i = 0; i < 300; i++) { // 256 MiB of budget: without a collection it is full after 60
            try (Loan loan = store.loan(4 << 20)) {
                loan.fill(buffer -> buffer.putInt(0, 1)).publish("key");
            }
            try (View view = store.view("key")) {
                assertEquals(1, view.buffer().getInt(0));
            }
        }
    }

    @Test
    void buffersAreReadOnlyDirectAndOfNativeOrder() {
        put(7);
        try (View view = store.view("key")) {
            ByteBuffer all = view.buffer(), part = view.buffer(64, 64);
            for (ByteBuffer buffer : List.of(all, part)) {
                assertTrue(buffer.isDirect());
                assertTrue(buffer.isReadOnly());
                assertEquals(ByteOrder.nativeOrder(), buffer.order());
                assertThrows(ReadOnlyBufferException.class, () -> buffer.put(0, (byte) 1));
                assertEquals(0, buffer.alignmentOffset(0, 64));
            }
            assertEquals(64, part.capacity());
            assertEquals(SIZE / 8, view.asDoubles().capacity());
            assertEquals(7, view.asInts().get(0));
            assertEquals(SIZE / 4, view.asFloats().capacity());
            assertEquals(7, view.asLongs().get(0) & 0xff);
            fails(Status.EINVAL, () -> view.buffer(SIZE, 1));
            fails(Status.EINVAL, () -> view.buffer(-1, 1));
            fails(Status.EINVAL, () -> view.buffer(0, -1));
            fails(Status.EINVAL, () -> view.buffer(Long.MAX_VALUE, Long.MAX_VALUE));
        }
        store.put("odd", new byte[7]);
        try (View view = store.view("odd")) {
            fails(Status.EINVAL, view::asDoubles);
        }
    }

    /** Nothing is copied: what one view reads lies where another one reads it. */
    @Test
    void readingCopiesNothing() {
        store.put("key", Map.of("a", new double[1000]));
        try (View one = store.view("key"); View other = store.view("key")) {
            TypedArray array = (TypedArray) one.map().get("a");
            long inside = Native.addressOf(array.buffer()) - Native.addressOf(one.buffer());
            assertTrue(inside > 0 && inside < one.length());
            assertEquals(0, inside % 64);
            assertEquals(Native.addressOf(one.buffer()), Native.addressOf(other.buffer()));
        }
        store.put("raw", new byte[5000]);
        ByteBuffer raw = (ByteBuffer) store.get("raw");
        try (View view = store.view("raw")) {
            assertEquals(Native.addressOf(view.buffer()), Native.addressOf(raw));
        }
        store.put("numpy", new int[5000]);
        try (View view = store.view("numpy")) {
            assertEquals(Native.addressOf(view.buffer()), Native.addressOf(view.array().buffer()));
        }
    }

    @Test
    void typedBuffersCheckTheirType() {
        store.put("key", Map.of("d", new double[1], "f", new float[1], "l", new long[1], "i", new int[1],
                "s", new short[1], "u", TypedArray.of("|u1", new long[] {2}, 'C', ByteBuffer.allocate(2)),
                "be", TypedArray.of(">i4", new long[] {1}, 'F', ByteBuffer.allocate(4).putInt(0, 5))));
        try (View view = store.view("key")) {
            Map<String, Object> map = view.map();
            assertEquals(1, ((TypedArray) map.get("d")).asDoubles().capacity());
            assertEquals(1, ((TypedArray) map.get("f")).asFloats().capacity());
            assertEquals(1, ((TypedArray) map.get("l")).asLongs().capacity());
            assertEquals(1, ((TypedArray) map.get("i")).asInts().capacity());
            assertEquals(1, ((TypedArray) map.get("s")).asShorts().capacity());
            assertEquals(2, ((TypedArray) map.get("u")).asBytes().capacity());
            assertEquals(5, ((TypedArray) map.get("be")).asInts().get(0));
            assertTrue(fails(Status.EINVAL, () -> ((TypedArray) map.get("i")).asDoubles()).getMessage()
                    .contains("<i4"));
            fails(Status.EINVAL, () -> ((TypedArray) map.get("d")).asLongs());
            fails(Status.EINVAL, () -> ((TypedArray) map.get("d")).buffer(8, 1));
        }
        assertFalse(store.closed());
    }
}
