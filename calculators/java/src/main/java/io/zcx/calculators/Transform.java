package io.zcx.calculators;

import io.zcx.Call;
import io.zcx.LoanBuffer;
import io.zcx.Options;
import io.zcx.Plugin;
import io.zcx.TypedArray;
import java.nio.ByteBuffer;

/**
 * Transforms an array into one of the same dtype, shape and order, built where it will be read:
 * input, options and answer are those of calculators/c/transform.c.
 */
public final class Transform implements Plugin {
    private static final int PART = 1 << 28; // bytes of the input that are looked at through one buffer

    private final String operation;
    private final double low;
    private final double high;
    private final int window;
    private final String array;

    public Transform(Options options) {
        operation = options.string("operation", "standardise");
        if (!operation.matches("standardise|clip|rolling_mean")) {
            throw options.fail("option 'operation' is \"" + operation
                    + "\"; allowed: standardise, clip, rolling_mean");
        }
        low = options.number("low", Double.NEGATIVE_INFINITY);
        high = options.number("high", Double.POSITIVE_INFINITY);
        if (!(low <= high)) {
            throw options.fail("option 'low' is " + low + "; allowed: at most 'high', which is " + high);
        }
        double wanted = options.number("window", 7);
        if (!(wanted >= 1 && wanted <= 1e9) || wanted != Math.floor(wanted)) {
            throw options.fail("option 'window' is " + wanted + "; allowed: a whole number from 1 to 1e9");
        }
        window = (int) wanted;
        array = options.string("array", null);
    }

    @Override
    public boolean threadSafe() {
        return true;
    }

    @Override
    public void calculate(Call call) {
        TypedArray in = call.array(array, "<f8 <f4");
        LoanBuffer out = call.answerLike(in);
        Elements elements = new Elements(in, out);
        switch (operation) {
            case "standardise" -> standardise(elements);
            case "clip" -> clip(elements);
            default -> roll(call, in, elements);
        }
    }

    /** The input's and the answer's elements by number, as doubles, whichever of f8 and f4 they are. */
    private static final class Elements {
        private final boolean wide;
        private final ByteBuffer[] parts;
        private final LoanBuffer out;
        private final long count;

        Elements(TypedArray in, LoanBuffer out) {
            this.out = out;
            wide = in.dtype().equals("<f8");
            count = in.count();
            parts = new ByteBuffer[(int) (in.nbytes() / PART) + 1];
            for (int i = 0; i < parts.length; i++) {
                long from = (long) i * PART;
                parts[i] = in.buffer(from, Math.min(PART, in.nbytes() - from));
            }
        }

        double get(long i) {
            long at = wide ? 8 * i : 4 * i;
            ByteBuffer part = parts[(int) (at / PART)];
            return wide ? part.getDouble((int) (at % PART)) : part.getFloat((int) (at % PART));
        }

        void set(long i, double value) {
            if (wide) {
                out.putDouble(8 * i, value);
            } else {
                out.putFloat(4 * i, (float) value);
            }
        }
    }

    /** Two passes; the second also corrects what the first one lost by rounding. */
    private static void standardise(Elements x) {
        double sum = 0, off = 0, squares = 0, there = 0;
        for (long i = 0; i < x.count; i++) {
            double value = x.get(i);
            if (!Double.isNaN(value)) {
                sum += value;
                there++;
            }
        }
        double mean = sum / there;
        for (long i = 0; i < x.count; i++) {
            double d = x.get(i) - mean;
            if (!Double.isNaN(x.get(i))) {
                off += d;
                squares += d * d;
            }
        }
        double variance = (squares - off * off / there) / there;
        mean += off / there;
        double scale = variance > 0 ? 1 / Math.sqrt(variance) : 0;
        for (long i = 0; i < x.count; i++) {
            double value = x.get(i);
            x.set(i, Double.isNaN(value) ? value : (value - mean) * scale);
        }
    }

    private void clip(Elements x) {
        for (long i = 0; i < x.count; i++) {
            double value = x.get(i);
            x.set(i, value < low ? low : value > high ? high : value);
        }
    }

    /** Sums are only ever added to, never subtracted from, so nothing drifts and an infinity spoils no
     * later window: a window is the rest of one block of `window` values and the beginning of the next. */
    private void roll(Call call, TypedArray in, Elements x) {
        if (in.shape().length != 1) {
            throw call.fail("operation 'rolling_mean' needs one dimension, not " + in.shape().length);
        }
        int width = (int) Math.max(1, Math.min(window, x.count));
        double[] rest = new double[width + 1]; // of the last block's values from k on, the sum
        int[] rests = new int[width + 1]; // and how many
        for (long first = 0; first < x.count; first += width) {
            int size = (int) Math.min(width, x.count - first), there = 0;
            double sum = 0;
            for (int k = 0; k < size; k++) {
                double value = x.get(first + k);
                if (!Double.isNaN(value)) {
                    sum += value;
                    there++;
                }
                int all = there + rests[k + 1];
                x.set(first + k, all > 0 ? (sum + rest[k + 1]) / all : Double.NaN);
            }
            if (size < width) {
                break;
            }
            for (int k = width; k-- > 0;) {
                double value = x.get(first + k);
                boolean missing = Double.isNaN(value);
                rest[k] = rest[k + 1] + (missing ? 0 : value);
                rests[k] = rests[k + 1] + (missing ? 0 : 1);
            }
        }
    }
}
