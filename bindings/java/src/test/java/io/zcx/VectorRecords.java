package io.zcx;

import static io.zcx.StoreTest.fails;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The vectors that are records: a client that knows LMDB only puts them into a store. */
final class VectorRecords {
    private VectorRecords() {}

    static Store open() throws Exception {
        Path path = TestStores.path();
        Object size;
        try (Store store = TestStores.open(path)) {
            size = ((Map<?, ?>) Calculator.config(store.stat()).get("store")).get("map_size");
        }
        List<String> words = new ArrayList<>(List.of(TestStores.built("bindings/java/put_records").toString(),
                path.toString(), size.toString()));
        VectorsTest.cases().stream().filter(about -> about.get("kind").equals("record"))
                .forEach(about -> words.add((String) about.get("file")));
        Process putter = new ProcessBuilder(words).directory(TestStores.file("protocol/vectors").toFile())
                .inheritIO().start();
        assertEquals(0, putter.waitFor());
        return Store.open(path);
    }

    private static Map<String, Object> written(View view) {
        Envelope envelope = view.envelope();
        ByteBuffer bytes = view.buffer();
        byte[] payload = new byte[bytes.remaining()];
        bytes.get(payload);
        Map<String, Object> out = new LinkedHashMap<>();
        out.put("format", (long) envelope.formatTag());
        out.put("flags", (long) envelope.flags());
        out.put("in_slot", envelope.inSlot());
        out.put("length", envelope.length());
        out.put("transaction", envelope.transaction());
        out.put("created", envelope.createdNs());
        out.put("expires", envelope.expiresNs());
        out.put("slot", envelope.slot() & 0xffffffffL);
        out.put("generation", envelope.generation() & 0xffffffffL);
        out.put("checksum", envelope.crc32c() & 0xffffffffL);
        out.put("payload", HexFormat.of().formatHex(payload));
        String[][] texts = {{"source", envelope.source()}, {"target", envelope.target()},
            {"content_type", envelope.contentType()}, {"dtype", envelope.dtype()}};
        for (String[] text : texts) {
            if (text[1] != null) {
                out.put(text[0], text[1]);
            }
        }
        if (envelope.dtype() != null) {
            List<Object> shape = new ArrayList<>();
            for (long extent : envelope.shape()) {
                shape.add(extent >= 0 ? (Object) extent : Long.toUnsignedString(extent));
            }
            out.put("shape", shape);
            out.put("order", String.valueOf(envelope.order()));
        }
        return out;
    }

    private static long number(Map<?, ?> of, String name) {
        return of == null || of.get(name) == null ? 0 : ((Number) of.get(name)).longValue();
    }

    static void replay(Store store, Map<String, Object> about) {
        String key = (String) about.get("file");
        Map<?, ?> expect = (Map<?, ?>) about.get("expect");
        if (!about.get("status").equals("OK")) {
            ZcxException error = fails(Status.valueOf((String) about.get("status")), () -> {
                try (View view = store.view(key)) {
                    view.envelope();
                }
            });
            assertTrue(error.getMessage().length() > 10);
        } else if (expect.get("in_slot").equals(true)) { // a slot that this store does not have
            try (Scan scan = store.scan(new Scan.Options().prefix(key).envelopes().expired())) {
                Envelope envelope = scan.next().envelope();
                assertEquals(number(expect, "slot"), envelope.slot() & 0xffffffffL);
                assertEquals(number(expect, "length"), envelope.length());
            }
            fails(Status.ECORRUPT, () -> store.view(key));
        } else if (number(expect, "expires") != 0 && number(expect, "expires") < 1_000_000) {
            fails(Status.EEXPIRED, () -> store.view(key));
        } else {
            try (View view = store.view(key)) {
                assertEquals(new LinkedHashMap<>(expect), written(view));
                assertEquals(number(expect, "checksum") != 0, view.verify());
            }
        }
    }
}
