package io.zcx;

import static io.zcx.StoreTest.fails;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

/** A payload over 2 GiB is filled at any offset, and read by slices. */
class LargeTest {
    private static final long GIB = 1L << 30;
    private static final long SIZE = 2 * GIB + 4096;

    @Test
    void aPayloadOverTwoGibibytes() {
        ByteBuffer kept;
        long[] offsets = {0, GIB - 4, GIB + 4, SIZE - 8};
        try (Store store = Store.open(TestStores.path(), new Store.Options().budget(4 * GIB))) {
            try (Loan loan = store.loan(SIZE)) {
                loan.fill(buffer -> {
                    for (long offset : offsets) {
                        buffer.putLong(offset, offset + 1);
                    }
                    buffer.put(2 * GIB - 20, new double[] {1, 2, 3, 4, 5}); // one of them across the chunks
                    buffer.put(2 * GIB - 100, ByteBuffer.allocate(200).put(1, new byte[80], 0, 80).limit(80));
                    buffer.put(2 * GIB + 20, new byte[] {1, 2, 3});
                    assertEquals(3, buffer.getDouble(2 * GIB - 4));
                    fails(Status.EINVAL, () -> buffer.putLong(SIZE - 7, 1));
                });
                loan.publish("large");
            }
            try (View view = store.view("large")) {
                assertEquals(SIZE, view.length());
                fails(Status.ELIMIT, view::buffer);
                fails(Status.ELIMIT, view::get);
                for (long offset : offsets) {
                    assertEquals(offset + 1, view.buffer(offset, 8).getLong(0));
                }
                for (int i = 0; i < 5; i++) {
                    assertEquals(i + 1, view.buffer(2 * GIB - 20, 40).getDouble(8 * i));
                }
                assertEquals(3, view.buffer(2 * GIB + 20, 3).get(2));
                assertEquals(Integer.MAX_VALUE, view.buffer(5, Integer.MAX_VALUE).limit());
                kept = view.buffer(GIB + 4, 8);
            }
            store.delete("large");
        }
        System.gc();
        assertEquals(GIB + 5, kept.getLong(0));
    }
}
