package io.zcx;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class StoreTest {
    private final Store store = TestStores.open();

    @AfterEach
    void close() {
        store.close();
    }

    static ZcxException fails(Status status, org.junit.jupiter.api.function.Executable call) {
        ZcxException error = assertThrows(ZcxException.class, call);
        assertEquals(status, error.status(), error.getMessage());
        return error;
    }

    @Test
    void statusesAreThoseOfTheLibrary() {
        for (int number = 0; ; number++) {
            String name = Native.text(Native.statusName(number));
            if (name == null) {
                assertEquals(Status.UNKNOWN.ordinal(), number);
                break;
            }
            assertEquals(name, "ZCX_" + Status.of(number).name());
        }
        assertEquals(Status.UNKNOWN, Status.of(999));
        assertEquals(Status.UNKNOWN, Status.of(-1));
    }

    @Test
    void valuesComeBackAsWhatTheyAre() {
        store.put("raw", new byte[] {1, 2, 3});
        store.put("numbers", new double[] {1.5, 2.5});
        store.put("map", Map.of("n", 7, "a", new int[] {1, 2}));
        store.put("json", "{\"a\": 1}", Envelope.of(Format.JSON));
        store.put("text", "grüße");
        assertEquals(ByteBuffer.wrap(new byte[] {1, 2, 3}), store.get("raw"));
        assertEquals(2.5, ((TypedArray) store.get("numbers")).asDoubles().get(1));
        assertEquals("{\"a\": 1}", store.get("json"));
        assertEquals("grüße", store.get("text"));
        try (View view = store.view("map")) {
            assertEquals(7L, view.map().get("n"));
            assertEquals(2, ((TypedArray) view.map().get("a")).asInts().get(1));
            assertEquals(Format.MSGPACK, view.envelope().format());
        }
        try (View view = store.view("numbers")) {
            assertEquals(Format.NUMPY, view.envelope().format());
            assertEquals("<f8", view.envelope().dtype());
            assertArrayEquals(new long[] {2}, view.envelope().shape());
            assertEquals(16, view.length());
            fails(Status.EINVAL, view::map);
        }
    }

    @Test
    void largeValuesLieInSlots() {
        double[] values = new double[1 << 17];
        values[values.length - 1] = 3;
        store.put("large", Map.of("values", values));
        try (View view = store.view("large")) {
            assertTrue(view.envelope().inSlot());
            TypedArray array = (TypedArray) view.map().get("values");
            assertEquals(3, array.asDoubles().get(values.length - 1));
            assertEquals(0, array.buffer().alignmentOffset(0, 8));
        }
    }

    @Test
    void envelopesSayWhatWasSaid() {
        Envelope envelope = Envelope.of(Format.RAW).ttl(Duration.ofSeconds(60)).source("lädt").target("t")
                .contentType("text/plain").checksum(true);
        long transaction = store.put("key", "hello".getBytes(), envelope);
        try (View view = store.view("key")) {
            Envelope said = view.envelope();
            assertEquals("lädt", said.source());
            assertEquals("t", said.target());
            assertEquals("text/plain", said.contentType());
            assertEquals(transaction, said.transaction());
            assertEquals(5, said.length());
            assertEquals(Duration.ofSeconds(60), Duration.between(said.created(), said.expires()));
            assertTrue(said.hasChecksum());
            assertTrue(view.verify());
            assertEquals("key", view.key());
            assertFalse(said.isError());
            assertNotNull(said.toString());
        }
        store.put("for ever", "x".getBytes(), Envelope.of(Format.RAW).ttl(Envelope.NEVER));
        try (View view = store.view("for ever")) {
            assertNull(view.envelope().expires());
            assertFalse(view.verify());
        }
    }

    @Test
    void keysAreTextOrBytes() {
        byte[] key = {0, (byte) 0xff, 1};
        store.put(key, new byte[] {1}, null);
        assertTrue(store.exists(key));
        try (View view = store.view(key)) {
            assertArrayEquals(key, view.keyBytes());
        }
        assertTrue(store.delete(key));
        assertFalse(store.delete(key));
        store.put("ключ", new byte[0]);
        assertTrue(store.exists("ключ"));
        assertEquals(1, store.count());
        fails(Status.EINVAL, () -> store.put("", new byte[1]));
        assertTrue(fails(Status.EINVAL, () -> store.view("k".repeat(600))).getMessage().contains("600"));
        fails(Status.EINVAL, () -> store.view("half \ud800"));
    }

    @Test
    void badInputIsAnErrorThatSaysWhy() {
        fails(Status.ENOTFOUND, () -> store.view("nothing"));
        fails(Status.EINVAL, () -> store.loan(-1));
        fails(Status.ELIMIT, () -> store.loan(1L << 40));
        fails(Status.EINVAL, () -> store.put("k", new Object()));
        fails(Status.EINVAL, () -> store.put("k", 1, Envelope.of(Format.RAW)));
        fails(Status.EINVAL, () -> store.put("k", 1, Envelope.of(Format.JSON)));
        fails(Status.EINVAL, () -> store.put("k", 1, Envelope.of(Format.NUMPY)));
        fails(Status.EINVAL, () -> Envelope.of(Format.RAW).ttl(Duration.ofSeconds(-1)));
        fails(Status.EINVAL, () -> TypedArray.of(new int[3], 2, 2));
        fails(Status.EINVAL, () -> TypedArray.of("no array"));
        fails(Status.EINVAL, () -> store.put("k", new byte[8], Envelope.numpy("<f8", 2)));
        fails(Status.EINVAL, () -> store.put("k", new byte[1], Envelope.of(Format.RAW).source("a\0b")));
        fails(Status.EINVAL, () -> Store.open(TestStores.path(), new Store.Options().database("zcx.x")));
        fails(Status.ENOTFOUND, () -> Store.open(TestStores.path(), new Store.Options().existing()));
        fails(Status.EINVAL, () -> store.put("k", new java.math.BigInteger("18446744073709551616")));
        List<Object> endless = new ArrayList<>();
        endless.add(endless);
        fails(Status.ELIMIT, () -> store.put("k", endless));
        fails(Status.EINVAL, () -> store.view((byte[]) null));
        assertEquals(0, store.count());
    }

    @Test
    void errorRecordsAreThrown() {
        store.putError("failed", "the disk is full", "at line 1");
        ZcxException error = fails(Status.EFAILED, () -> store.get("failed"));
        assertEquals("the disk is full", error.getMessage());
        assertEquals("at line 1", error.trace());
        try (View view = store.view("failed")) {
            assertTrue(view.envelope().isError());
        }
    }

    @Test
    void expiredRecordsAreNotReturned() throws InterruptedException {
        store.put("soon", new byte[1], Envelope.of(Format.RAW).ttl(Duration.ofMillis(1)));
        long end = System.nanoTime() + 1_000_000_000L;
        while (store.exists("soon") && System.nanoTime() < end) {
            Thread.onSpinWait();
        }
        fails(Status.EEXPIRED, () -> store.view("soon"));
        assertTrue(store.sweep(true).startsWith("{"));
        fails(Status.ENOTFOUND, () -> store.view("soon"));
    }

    @Test
    void scansWalkInOrder() {
        for (String key : List.of("b2", "a", "b1", "c")) {
            store.put(key, key.getBytes());
        }
        List<String> keys = new ArrayList<>();
        try (Scan scan = store.scan(new Scan.Options().prefix("b").envelopes())) {
            for (Scan.Entry entry : scan) {
                keys.add(entry.key() + entry.envelope().length());
            }
        }
        assertEquals(List.of("b12", "b22"), keys);
        try (Scan scan = store.scan(new Scan.Options().reverse().limit(2).snapshot())) {
            assertEquals("c", scan.next().key());
            assertEquals("b2", scan.next().key());
            assertFalse(scan.hasNext());
            assertThrows(java.util.NoSuchElementException.class, scan::next);
        }
        try (Scan scan = store.scan(new Scan.Options().from("b").to("c").expired())) {
            assertEquals("b1", scan.next().key());
            assertNull(scan.next().envelope());
            scan.close();
            fails(Status.ECLOSED, scan::hasNext);
        }
    }

    @Test
    void batchesAreAllOrNothing() {
        store.put("old", new byte[1]);
        try (Batch batch = store.batch(); Loan loan = store.loan(4096)) {
            batch.put("one", new byte[1]).put("two", Map.of("a", 1)).delete("old");
            batch.publish(loan.fill(buffer -> buffer.putInt(0, 7)), Utf8.bytes("loan"), 4, Envelope.of(Format.RAW));
            assertEquals(1, store.count());
            assertTrue(batch.commit() > 0);
            fails(Status.ECLOSED, batch::commit);
            fails(Status.ECLOSED, () -> loan.publish("again"));
        }
        assertEquals(3, store.count());
        assertEquals(7, ((ByteBuffer) store.get("loan")).getInt(0));
        try (Batch batch = store.batch()) {
            batch.put("discarded", new byte[1]);
        }
        assertFalse(store.exists("discarded"));
    }

    @Test
    void closingEndsNewCallsOnly() {
        store.put("key", new double[] {1, 2, 3});
        View view = store.view("key");
        Loan loan = store.loan(10_000);
        store.close();
        store.close();
        assertTrue(store.closed());
        fails(Status.ECLOSED, () -> store.get("key"));
        fails(Status.ECLOSED, () -> store.loan(1));
        fails(Status.ECLOSED, () -> store.scan());
        fails(Status.ECLOSED, () -> store.batch());
        fails(Status.ECLOSED, store::stat);
        assertEquals(2, view.array().asDoubles().get(1));
        view.close();
        view.close();
        fails(Status.ECLOSED, view::length);
        fails(Status.ECLOSED, view::buffer);
        fails(Status.ECLOSED, view::get);
        loan.close();
        fails(Status.ECLOSED, () -> loan.fill(buffer -> {}));
        fails(Status.ECLOSED, () -> loan.publish("x"));
    }

    @Test
    void aStoreSaysWhatItIs() {
        assertTrue(store.stat().contains("\"slots\""));
        assertTrue(store.check().contains("\"sound\": true") || store.check().contains("\"sound\":true"));
        assertEquals("default", store.database());
        Path path = store.path();
        try (Store other = Store.open(path, new Store.Options().database("other").maxReaders(1024).existing()
                .lockTimeout(Duration.ofSeconds(1)).durable(false))) {
            assertEquals("other", other.database());
            assertEquals(0, other.count());
        }
        fails(Status.EBUSY, () -> Store.open(path, new Store.Options().budget(1L << 30)));
    }
}
