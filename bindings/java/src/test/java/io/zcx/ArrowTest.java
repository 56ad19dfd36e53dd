package io.zcx;

import static io.zcx.StoreTest.fails;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.Float8Vector;
import org.apache.arrow.vector.ValueVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.DictionaryEncoder;
import org.apache.arrow.vector.ipc.ArrowReader;
import org.apache.arrow.vector.types.pojo.Field;
import org.junit.jupiter.api.Test;

/** Arrow streams, read in place by arrow-vector. */
class ArrowTest {
    private static String type(Field field) {
        return field.getDictionary() != null ? "dictionary<values=string, indices=int32, ordered=0>"
                : switch (field.getType().getTypeID()) {
                    case FloatingPoint -> "float";
                    case Int -> "int64";
                    default -> field.getType().toString();
                };
    }

    private static Object plain(Object value) {
        return value instanceof Float number ? (Object) number.doubleValue()
                : value == null || value instanceof Long ? value : value.toString();
    }

    /** A stream as protocol/vectors/index.json writes it. */
    static Object written(View view) throws IOException {
        List<Object> names = new ArrayList<>(), types = new ArrayList<>();
        List<List<Object>> columns = new ArrayList<>();
        try (BufferAllocator allocator = new RootAllocator(); ArrowReader reader = Arrow.read(view, allocator)) {
            VectorSchemaRoot root = reader.getVectorSchemaRoot();
            for (Field field : root.getSchema().getFields()) {
                names.add(field.getName());
                types.add(type(field));
                columns.add(new ArrayList<>());
            }
            while (reader.loadNextBatch()) {
                for (int i = 0; i < columns.size(); i++) {
                    add(columns.get(i), root.getVector(i), reader);
                }
            }
        }
        return Map.of("arrow", Map.of("names", names, "types", types, "columns", columns));
    }

    private static void add(List<Object> column, FieldVector vector, ArrowReader reader) throws IOException {
        boolean encoded = vector.getField().getDictionary() != null;
        ValueVector values = !encoded ? vector : DictionaryEncoder.decode(vector,
                reader.lookup(vector.getField().getDictionary().getId()));
        for (int row = 0; row < values.getValueCount(); row++) {
            column.add(plain(values.getObject(row)));
        }
        if (encoded) {
            values.close();
        }
    }

    @Test
    void vectorsGoInAndAreReadInPlace() throws IOException {
        try (Store store = TestStores.open(); BufferAllocator allocator = new RootAllocator();
                Float8Vector delays = new Float8Vector("delay", allocator);
                VarCharVector carriers = new VarCharVector("carrier", allocator)) {
            delays.allocateNew(10_000);
            carriers.allocateNew();
            for (int i = 0; i < 10_000; i++) {
                delays.set(i, i * 0.5);
                carriers.setSafe(i, "UA".getBytes());
            }
            delays.setValueCount(10_000);
            carriers.setValueCount(10_000);
            Arrow.put(store, "flights", VectorSchemaRoot.of(delays, carriers), null);
            View view = store.view("flights");
            assertEquals(Format.ARROW, view.envelope().format());
            try (ArrowReader reader = Arrow.read(view, allocator)) {
                long first = Native.addressOf(view.buffer()), end = first + view.length();
                view.close();
                assertTrue(reader.loadNextBatch());
                Float8Vector found = (Float8Vector) reader.getVectorSchemaRoot().getVector("delay");
                long at = found.getDataBufferAddress();
                assertTrue(at > first && at < end, "the elements were copied");
                System.gc();
                for (int i = 0; i < 100; i++) {
                    store.put("flights", new byte[(int) (end - first)]);
                }
                assertEquals(9_999 * 0.5, found.get(9_999));
                assertEquals("UA", reader.getVectorSchemaRoot().getVector("carrier").getObject(7).toString());
                assertFalse(reader.loadNextBatch());
            }
            assertTrue(allocator.getAllocatedMemory() > 0); // the test's own vectors
            fails(Status.ECORRUPT, () -> {
                try (View other = store.view("flights"); ArrowReader reader = Arrow.read(other, allocator)) {
                    reader.loadNextBatch();
                } catch (IOException error) {
                    throw new java.io.UncheckedIOException(error);
                }
            });
        }
    }
}
