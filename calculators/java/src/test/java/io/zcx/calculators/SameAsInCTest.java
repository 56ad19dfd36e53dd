package io.zcx.calculators;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.zcx.Calculator;
import io.zcx.Result;
import io.zcx.TypedArray;
import io.zcx.ZcxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The calculators in Java answer what those in C answer: every dtype, option, and bad input. */
class SameAsInCTest {
    private static final List<String> GROUPS = List.of("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8",
            "|S1", "|S2", "|S3", "|S5", "|S7", "|S8");
    private static final List<String> DELAYS = List.of("<f8", "<f4", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8");

    private static String config(String language, String type, String options) {
        String c = "\"calculator\": \"c\", \"type\": \"" + type + "\", \"plugin\": \"" + System.getProperty("zcx.build")
                + "/calculators/" + type + ".so\"";
        String java = "\"calculator\": \"java\", \"type\": \"io.zcx.calculators."
                + (type.equals("transform") ? "Transform" : "GroupDelays") + "\"";
        return "{\"name\": \"calc\", \"options\": " + options + ", " + (language.equals("c") ? c : java) + "}";
    }

    private static TypedArray array(String dtype, int count, Random random) {
        int size = dtype.charAt(2) - '0';
        ByteBuffer out = ByteBuffer.allocate(count * size).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < count; i++) {
            if (dtype.equals("<f8")) {
                out.putDouble(random.nextInt(7) == 0 ? Double.NaN : random.nextGaussian() * 100);
            } else if (dtype.equals("<f4")) {
                out.putFloat(random.nextInt(7) == 0 ? Float.NaN : (float) random.nextGaussian());
            } else { // few values, small and large ones
                long value = dtype.charAt(1) == 'b' ? random.nextInt(2) : random.nextInt(5) - 2L;
                for (int byteAt = 0; byteAt < size; byteAt++) {
                    out.put((byte) (value >> 8 * byteAt));
                }
            }
        }
        return TypedArray.of(dtype, new long[] {count}, 'C', out.flip());
    }

    private static Object comparable(Object found) {
        if (found instanceof TypedArray array) {
            return array + " " + (array.dtype().equals("<f8") ? List.of() : array.buffer().hashCode());
        }
        return ((Map<?, ?>) found).entrySet().stream().map(entry -> entry.getKey() + " " + comparable(entry.getValue())).toList();
    }

    private static void assertClose(Object wanted, Object found) {
        if (wanted instanceof TypedArray array && array.dtype().equals("<f8")) {
            double[] one = new double[(int) array.count()], other = new double[one.length];
            array.asDoubles().get(one);
            ((TypedArray) found).asDoubles().get(other);
            assertArrayEquals(one, other, 1e-12);
        } else if (wanted instanceof Map<?, ?> map) {
            map.forEach((name, item) -> assertClose(item, ((Map<?, ?>) found).get(name)));
        }
    }

    private static void same(String type, String options, Object input) {
        try (Calculator c = Calculator.open(config("c", type, options));
                Calculator java = Calculator.open(config("java", type, options));
                Result wanted = c.calculate(input); Result found = java.calculate(input)) {
            assertEquals(comparable(wanted.get()), comparable(found.get()));
            assertClose(wanted.get(), found.get());
        }
    }

    @Test
    void groupDelaysOfEveryDtype() {
        Random random = new Random(1);
        for (String group : GROUPS) {
            for (String delay : DELAYS) {
                for (int count : new int[] {0, 1, 500}) {
                    Map<String, Object> input = new LinkedHashMap<>();
                    input.put("group", array(group, count, random));
                    input.put("delay", array(delay, count, random));
                    same("group_delays", "{}", input);
                }
            }
        }
    }

    @Test
    void groupDelaysWithOptions() {
        Random random = new Random(2);
        int[] groups = random.ints(20_000, -700, 700).toArray();
        Map<String, Object> input = Map.of("carrier", groups, "late", array("<f8", groups.length, random));
        same("group_delays", "{\"group\": \"carrier\", \"delay\": \"late\", \"quantiles\": [0, 0.1, 0.99, 1]}", input);
        same("group_delays", "{\"group\": \"carrier\", \"delay\": \"carrier\", \"missing\": 3, \"quantiles\": 0.5}", input);
        same("group_delays", "{\"group\": \"carrier\", \"delay\": \"late\", \"quantiles\": []}", input);
    }

    @Test
    void transformsOfBothDtypes() {
        Random random = new Random(3);
        for (String dtype : List.of("<f8", "<f4")) {
            for (int count : new int[] {0, 1, 6, 7, 8, 1000}) {
                TypedArray input = array(dtype, count, random);
                same("transform", "{}", input);
                same("transform", "{\"operation\": \"clip\", \"low\": -1, \"high\": 0.5}", input);
                same("transform", "{\"operation\": \"rolling_mean\"}", input);
                same("transform", "{\"operation\": \"rolling_mean\", \"window\": 100, \"array\": \"x\"}", Map.of("x", input));
            }
        }
        same("transform", "{}", TypedArray.of(new double[] {1, 2, 3, 4, 5, 6}, 2, 3));
        same("transform", "{}", new double[] {5, 5, 5});
        same("transform", "{\"operation\": \"rolling_mean\", \"window\": 2}",
                new double[] {Double.POSITIVE_INFINITY, 1, 2, Double.NaN, Double.NaN, 3});
    }

    private static String failure(String language, String type, String options, Object input) {
        ZcxException error = assertThrows(ZcxException.class, () -> {
            try (Calculator calculator = Calculator.open(config(language, type, options))) {
                calculator.calculate(input);
            }
        });
        return error.status() + ": " + error.getMessage().replaceAll("([0-9])\\.0\\b", "$1").replaceAll("; it has.*", "");
    }

    @Test
    void badInputAndOptionsAreTheSameErrors() {
        double[] doubles = {1, 2};
        Object[][] cases = {
            {"transform", "{\"operation\": \"fold\"}", doubles}, {"transform", "{\"window\": 1.5}", doubles},
            {"transform", "{\"low\": 2, \"high\": 1}", doubles}, {"transform", "{\"array\": 1}", doubles},
            {"transform", "{\"nothing\": 1}", doubles}, {"transform", "{}", new int[] {1}},
            {"transform", "{\"array\": \"x\"}", Map.of("y", doubles)},
            {"transform", "{\"operation\": \"rolling_mean\"}", TypedArray.of(doubles, 1, 2)},
            {"group_delays", "{\"quantiles\": [0.5, 0.1]}", doubles},
            {"group_delays", "{}", Map.of("group", new int[] {1}, "delay", doubles)},
            {"group_delays", "{}", Map.of("group", doubles, "delay", doubles)},
            {"group_delays", "{\"quantiles\": \"x\"}", doubles},
        };
        for (Object[] one : cases) {
            assertEquals(failure("c", (String) one[0], (String) one[1], one[2]),
                    failure("java", (String) one[0], (String) one[1], one[2]));
        }
    }
}
