package io.zcx;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** A party to the tests that cross languages; see tests/matrix. */
public final class Peer {
    private Peer() {}

    private static void expect(boolean right, String what) {
        if (!right) {
            throw new IllegalStateException(what + " is not as expected");
        }
    }

    private static byte rawByte(long i) {
        return (byte) (i * 7 + 3);
    }

    private static String json(int size) {
        return "{\"n\": " + size + ", \"s\": \"" + "x".repeat(size) + "\"}";
    }

    private static double[] halves(int size) {
        double[] out = new double[size / 8];
        Arrays.setAll(out, i -> i * 0.5);
        return out;
    }

    private static int[] triples(int size) {
        int[] out = new int[size / 4];
        Arrays.setAll(out, i -> i * 3 - 7);
        return out;
    }

    static void write(Store store, String key, String format, int size) {
        switch (format) {
            case "raw" -> {
                try (Loan loan = store.loan(size)) {
                    loan.fill(buffer -> {
                        for (int i = 0; i < size; i++) {
                            buffer.putByte(i, rawByte(i));
                        }
                    });
                    loan.publish(key);
                }
            }
            case "json" -> store.put(key, json(size), Envelope.of(Format.JSON));
            case "msgpack" -> {
                Map<String, Object> map = new LinkedHashMap<>(); // the same bytes as every peer
                map.put("n", size);
                map.put("a", halves(size));
                store.put(key, map);
            }
            case "numpy" -> store.put(key, triples(size));
            default -> throw new IllegalArgumentException("no format '" + format + "'");
        }
    }

    private static TypedArray expectArray(Object found, String dtype, int count) {
        TypedArray array = (TypedArray) found;
        expect(array.dtype().equals(dtype), "the dtype " + array.dtype());
        expect(Arrays.equals(array.shape(), new long[] {count}), "the shape");
        expect(count == 0 || array.buffer().alignmentOffset(0, 64) == 0, "the alignment");
        return array;
    }

    static void read(Store store, String key, String format, int size) {
        try (View view = store.view(key)) {
            expect(view.envelope().format().name().equalsIgnoreCase(format), "the format");
            switch (format) {
                case "raw" -> {
                    ByteBuffer bytes = view.buffer();
                    expect(bytes.remaining() == size, "the length");
                    for (int i = 0; i < size; i++) {
                        expect(bytes.get(i) == rawByte(i), "a byte");
                    }
                }
                case "json" -> expect(((String) view.get()).replace(" ", "").equals(json(size).replace(" ", "")),
                        "the text");
                case "msgpack" -> {
                    Map<String, Object> map = view.map();
                    expect(map.size() == 2 && map.get("n").equals((long) size), "'n'");
                    expect(expectArray(map.get("a"), "<f8", size / 8).asDoubles()
                            .equals(java.nio.DoubleBuffer.wrap(halves(size))), "'a'");
                }
                case "numpy" -> expect(expectArray(view.array(), "<i4", size / 4).asInts()
                        .equals(java.nio.IntBuffer.wrap(triples(size))), "an element");
                default -> throw new IllegalArgumentException("no format '" + format + "'");
            }
        }
    }

    @SuppressWarnings("unchecked")
    static void call(String json, String key, WritableByteChannel to) throws Exception {
        Map<String, Object> config = (Map<String, Object>) Json.parse(json);
        Path path = config.get("lmdb_db_path") instanceof String text ? Path.of(text) : null;
        try (Store store = Store.open(path, new Store.Options().existing().database((String) config.get("lmdb_db_name")));
                Calculator calculator = Calculator.open(json);
                View view = store.view(key);
                Result result = calculator.calculate(view)) {
            ByteBuffer bytes = result.buffer().order(ByteOrder.nativeOrder());
            while (bytes.hasRemaining()) {
                to.write(bytes);
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        try {
            if (arguments.length == 3 && arguments[0].equals("call")) {
                call(Files.readString(Path.of(arguments[1])), arguments[2], Channels.newChannel(System.out));
                System.out.flush();
            } else if (arguments.length == 5 && arguments[0].matches("write|read")) {
                try (Store store = Store.open(Path.of(arguments[1]))) {
                    int size = Integer.parseInt(arguments[4]);
                    if (arguments[0].equals("write")) {
                        write(store, arguments[2], arguments[3], size);
                    } else {
                        read(store, arguments[2], arguments[3], size);
                    }
                }
            } else {
                throw new IllegalArgumentException(
                        "usage: peer write|read STORE KEY FORMAT SIZE, or peer call CONFIG.json INPUT_KEY");
            }
        } catch (RuntimeException error) {
            System.err.println("peer (Java): " + error);
            System.exit(1);
        }
    }
}
