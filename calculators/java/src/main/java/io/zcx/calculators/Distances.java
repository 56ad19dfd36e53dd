package io.zcx.calculators;

import io.zcx.Call;
import io.zcx.Call.Column;
import io.zcx.LoanBuffer;
import io.zcx.Options;
import io.zcx.Plugin;
import io.zcx.Store;
import io.zcx.TypedArray;
import java.nio.ByteBuffer;
import java.nio.DoubleBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * Joins groups that are airports with where those are, and computes how far they are from one.
 *
 * <p>Input: a msgpack map with arrays {@code group} (byte strings: the airports' codes) and {@code
 * mean} ({@code <f8}), one row a group.
 *
 * <p>Output: a msgpack map of {@code group} and {@code mean} as they came, and {@code distance}
 * ({@code <f8}): kilometres along the great circle, NaN for an airport that is not known.
 *
 * <p>Options: {@code store}, the path of the store, and {@code airports}, the key in it of a msgpack
 * map of arrays {@code code} (byte strings), {@code latitude} and {@code longitude} ({@code <f8},
 * degrees); {@code from}, the code of the airport that distances are from.
 */
public final class Distances implements Plugin {
    private static final double EARTH = 6371.0; // km, mean radius

    private record Place(double latitude, double longitude) {}

    private final Map<String, Place> places;
    private final Place from;

    public Distances(Options options) {
        places = read(Path.of(options.string("store", "")), options.string("airports", "airports"));
        String code = options.string("from", "JFK");
        from = places.get(code);
        if (from == null) {
            throw options.fail("option 'from' is \"" + code + "\", which is none of the "
                    + places.size() + " airports");
        }
    }

    private static Map<String, Place> read(Path path, String key) {
        Map<String, Place> places = new HashMap<>();
        try (Store store = Store.open(path, new Store.Options().existing())) {
            Map<?, ?> airports = (Map<?, ?>) store.get(key);
            String[] codes = texts((TypedArray) airports.get("code"));
            DoubleBuffer latitude = ((TypedArray) airports.get("latitude")).asDoubles();
            DoubleBuffer longitude = ((TypedArray) airports.get("longitude")).asDoubles();
            for (int i = 0; i < codes.length; i++) {
                places.put(codes[i], new Place(latitude.get(i), longitude.get(i)));
            }
        }
        return places;
    }

    @Override
    public boolean threadSafe() {
        return true;
    }

    @Override
    public void calculate(Call call) {
        TypedArray group = call.array("group", "|S1 |S2 |S3 |S4 |S5 |S6 |S7 |S8");
        TypedArray mean = call.array("mean", "<f8");
        String[] codes = texts(group);
        if (codes.length != mean.count()) {
            throw call.fail(codes.length + " groups and " + mean.count() + " means");
        }
        LoanBuffer[] out = call.answerMap(new Column("group", group.dtype(), codes.length),
                new Column("mean", "<f8", codes.length), new Column("distance", "<f8", codes.length));
        out[0].put(0, group.buffer());
        out[1].put(0, mean.buffer());
        for (int i = 0; i < codes.length; i++) {
            out[2].putDouble(8L * i, distance(places.get(codes[i])));
        }
    }

    /** Along the great circle, by the haversine formula. */
    private double distance(Place to) {
        if (to == null) {
            return Double.NaN;
        }
        double one = Math.toRadians(from.latitude), other = Math.toRadians(to.latitude);
        double high = Math.sin((other - one) / 2);
        double wide = Math.sin(Math.toRadians(to.longitude - from.longitude) / 2);
        return 2 * EARTH * Math.asin(Math.sqrt(high * high + Math.cos(one) * Math.cos(other) * wide * wide));
    }

    private static String[] texts(TypedArray array) {
        int size = Integer.parseInt(array.dtype().substring(2));
        ByteBuffer items = array.buffer();
        String[] texts = new String[(int) array.count()];
        byte[] item = new byte[size];
        for (int i = 0; i < texts.length; i++) {
            items.get(i * size, item);
            texts[i] = new String(item, StandardCharsets.US_ASCII).replace("\0", "");
        }
        return texts;
    }
}
