package io.zcx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * Replays protocol/vectors: every case of index.json, and no file may be left over. Payloads are read
 * from a store. Records are put into one by a stranger, this test's own LMDB client being none: the
 * binding never sees a record's bytes, so it is shown them as the core shows them.
 */
class VectorsTest {
    private static final Path VECTORS = TestStores.file("protocol/vectors");

    @SuppressWarnings("unchecked")
    static List<Map<String, Object>> cases() throws IOException {
        Map<String, Object> index = (Map<String, Object>) Json.parse(Files.readString(VECTORS.resolve("index.json")));
        return (List<Map<String, Object>>) index.get("cases");
    }

    // ---- objects as the index writes them

    private static String hex(ByteBuffer bytes) {
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        return HexFormat.of().formatHex(copy);
    }

    static Object written(Object value) {
        if (value == null || value instanceof Boolean || value instanceof String) {
            return value;
        }
        if (value instanceof Long || value instanceof BigInteger) {
            return Map.of("int", value.toString());
        }
        if (value instanceof Double number) {
            return Map.of("float", String.format("%016x", Double.doubleToRawLongBits(number)));
        }
        if (value instanceof ByteBuffer bytes) {
            return Map.of("bin", hex(bytes));
        }
        if (value instanceof Extension extension) {
            return Map.of("ext", List.of((long) extension.type(), hex(extension.data())));
        }
        if (value instanceof List<?> list) {
            List<Object> out = new ArrayList<>();
            list.forEach(item -> out.add(written(item)));
            return out;
        }
        if (value instanceof Map<?, ?> map) {
            List<Object> pairs = new ArrayList<>();
            map.forEach((key, item) -> {
                List<Object> pair = new ArrayList<>();
                pair.add(written(key));
                pair.add(written(item));
                pairs.add(pair);
            });
            return Map.of("map", pairs);
        }
        TypedArray array = (TypedArray) value;
        List<Object> shape = new ArrayList<>();
        for (long size : array.shape()) {
            shape.add(size);
        }
        return Map.of("array", Map.of("dtype", array.dtype(), "shape", shape, "order",
                String.valueOf(array.order()), "elements", hex(array.buffer())));
    }

    /** {"nested": [kind, depth, object]} written out, at any place. */
    static Object expanded(Object said) {
        if (said instanceof List<?> list) {
            List<Object> out = new ArrayList<>();
            list.forEach(item -> out.add(expanded(item)));
            return out;
        }
        if (!(said instanceof Map<?, ?> map)) {
            return said;
        }
        if (map.get("nested") instanceof List<?> nested) {
            Object inner = expanded(nested.get(2));
            for (long depth = (Long) nested.get(1); depth > 0; depth--) {
                List<Object> holder = new ArrayList<>();
                holder.add(inner);
                inner = nested.get(0).equals("list") ? holder
                        : Map.of("map", List.of(List.of(Map.of("int", "1"), inner)));
            }
            return inner;
        }
        Map<Object, Object> out = new LinkedHashMap<>();
        map.forEach((key, item) -> out.put(key, expanded(item)));
        return out;
    }

    // ---- what is read

    @SuppressWarnings("unchecked")
    private static Object read(Store store, Map<String, Object> about, byte[] content) throws Exception {
        String kind = (String) about.get("kind");
        Envelope envelope = switch (kind) {
            case "raw" -> Envelope.of(Format.RAW);
            case "json" -> Envelope.of(Format.JSON);
            case "msgpack" -> Envelope.of(Format.MSGPACK);
            case "numpy" -> numpy((Map<String, Object>) about.get("envelope"));
            default -> Envelope.of(Format.ARROW);
        };
        try (Loan loan = store.loan(content.length)) {
            loan.fill(buffer -> buffer.put(0, content));
            try {
                loan.publish("key", envelope);
            } catch (ZcxException error) { // what a reader refuses as corrupt is no argument of a writer
                assertEquals(Status.EINVAL, error.status());
                throw new ZcxException(Status.ECORRUPT, error.getMessage());
            }
        }
        try (View view = store.view("key")) {
            return switch (kind) {
                case "json" -> written(Json.parse((String) view.get()));
                case "arrow" -> ArrowTest.written(view);
                default -> written(view.get());
            };
        }
    }

    private static Envelope numpy(Map<String, Object> envelope) {
        long[] shape = ((List<?>) envelope.get("shape")).stream().mapToLong(size -> ((Number) size).longValue()).toArray();
        return Envelope.numpy((String) envelope.get("dtype"), shape, ((String) envelope.get("order")).charAt(0));
    }

    private static void replay(Store store, Map<String, Object> about) throws Exception {
        byte[] content = Files.readAllBytes(VECTORS.resolve((String) about.get("file")));
        String status = (String) about.get("status");
        Object found;
        try {
            found = read(store, about, content);
        } catch (ZcxException error) {
            assertEquals(status, error.status().name(), error.getMessage());
            assertTrue(error.getMessage().length() > 10);
            return;
        }
        assertEquals("OK", status);
        assertEquals(expanded(about.get("expect")), found);
    }

    private static boolean isPayload(Map<String, Object> about) {
        return Set.of("raw", "json", "msgpack", "numpy", "arrow").contains(about.get("kind"));
    }

    @TestFactory
    Stream<DynamicTest> payloads() throws IOException {
        Store store = TestStores.open();
        return cases().stream().filter(VectorsTest::isPayload)
                .map(about -> DynamicTest.dynamicTest((String) about.get("file"), () -> replay(store, about)))
                .onClose(store::close);
    }

    /** Records, by way of a foreign LMDB client that puts them into a store. */
    @TestFactory
    Stream<DynamicTest> records() throws Exception {
        Store store = VectorRecords.open();
        return cases().stream().filter(about -> about.get("kind").equals("record"))
                .map(about -> DynamicTest.dynamicTest((String) about.get("file"), () -> VectorRecords.replay(store, about)))
                .onClose(store::close);
    }

    /** References are read by the core alone: it takes the sound ones as an input, which is not there. */
    @TestFactory
    Stream<DynamicTest> references() throws IOException {
        return cases().stream().filter(about -> about.get("kind").toString().startsWith("reference-"))
                .map(about -> DynamicTest.dynamicTest((String) about.get("file"), () -> VectorReferences.replay(about)));
    }

    @Test
    void noFileIsLeftOver() throws IOException {
        Set<String> known = new HashSet<>();
        for (Map<String, Object> about : cases()) {
            String kind = (String) about.get("kind");
            assertTrue(isPayload(about) || kind.equals("record") || kind.startsWith("reference-"), kind);
            known.add((String) about.get("file"));
        }
        assertTrue(known.size() > 300);
        try (Stream<Path> files = Files.walk(VECTORS)) {
            files.filter(Files::isRegularFile).map(file -> VECTORS.relativize(file).toString())
                    .filter(name -> !name.startsWith("generat") && !name.equals("index.json"))
                    .forEach(name -> assertTrue(known.contains(name), "nobody replays " + name));
        }
    }
}
