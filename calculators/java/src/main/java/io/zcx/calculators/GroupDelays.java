package io.zcx.calculators;

import io.zcx.Call;
import io.zcx.Call.Column;
import io.zcx.LoanBuffer;
import io.zcx.Options;
import io.zcx.Plugin;
import io.zcx.TypedArray;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * Statistics of delays by group: inputs, options and answers are those of calculators/c/group_delays.c.
 */
public final class GroupDelays implements Plugin {
    private static final String GROUP_DTYPES =
            "|b1 |i1 |u1 <i2 <u2 <i4 <u4 <i8 <u8 |S1 |S2 |S3 |S4 |S5 |S6 |S7 |S8";
    private static final String DELAY_DTYPES = "<f8 <f4 |i1 |u1 <i2 <u2 <i4 <u4 <i8 <u8";
    private static final int QUANTILES_MAX = 16;

    private final String group;
    private final String delay;
    private final double missing; // NaN: none
    private final double[] quantiles;

    public GroupDelays(Options options) {
        group = options.string("group", "group");
        delay = options.string("delay", "delay");
        missing = options.number("missing", Double.NaN);
        quantiles = options.numbers("quantiles", QUANTILES_MAX, 0.25, 0.5, 0.75);
        for (int i = 0; i < quantiles.length; i++) {
            double last = i == 0 ? 0 : quantiles[i - 1];
            if (!(quantiles[i] >= last && quantiles[i] <= 1)) {
                throw options.fail("option 'quantiles' has " + quantiles[i] + " after " + last
                        + "; allowed: ascending numbers from 0 to 1");
            }
        }
    }

    @Override
    public boolean threadSafe() {
        return true;
    }

    @Override
    public void calculate(Call call) {
        TypedArray groups = call.array(group, GROUP_DTYPES);
        TypedArray delays = call.array(delay, DELAY_DTYPES);
        if (groups.shape().length != 1 || delays.shape().length != 1 || groups.count() != delays.count()) {
            throw call.fail("'" + group + "' and '" + delay + "' need one dimension and the same length, not "
                    + groups.shape().length + " and " + delays.shape().length + " dimensions with "
                    + groups.count() + " and " + delays.count() + " elements");
        }
        if (groups.count() > Integer.MAX_VALUE - 8) {
            throw call.fail("a JVM's arrays have at most 2147483639 rows, not " + groups.count());
        }
        answer(call, groups.dtype(), new Work(groups, readDelays(delays)));
    }

    private static double[] readDelays(TypedArray column) {
        ByteBuffer in = column.buffer();
        double[] out = new double[(int) column.count()];
        switch (column.dtype()) {
            case "<f8" -> in.asDoubleBuffer().get(out);
            case "<f4" -> Arrays.setAll(out, i -> in.getFloat(4 * i));
            case "|i1" -> Arrays.setAll(out, in::get);
            case "|u1" -> Arrays.setAll(out, i -> in.get(i) & 0xff);
            case "<i2" -> Arrays.setAll(out, i -> in.getShort(2 * i));
            case "<u2" -> Arrays.setAll(out, i -> in.getShort(2 * i) & 0xffff);
            case "<i4" -> Arrays.setAll(out, i -> in.getInt(4 * i));
            case "<u4" -> Arrays.setAll(out, i -> in.getInt(4 * i) & 0xffffffffL);
            case "<i8" -> Arrays.setAll(out, i -> in.getLong(8 * i));
            default -> Arrays.setAll(out, i -> unsigned(in.getLong(8 * i)));
        }
        return out;
    }

    /** To the nearest double, as C converts it: the lowest bit of a large one only decides rounding. */
    private static double unsigned(long value) {
        return value >= 0 ? value : ((value >>> 1) | (value & 1)) * 2.0;
    }

    /** The groups of one call, and each row's. */
    private final class Work {
        private final char kind;
        private final int size;
        private long[] keys = new long[256]; // of the groups, in order of appearance, see keyOf
        private int[] counts = new int[256];
        private int[] missings = new int[256];
        private int groups;
        private int[] table = new int[512]; // hash table of group numbers + 1, at most half full
        private final double[] sorted; // delays that are there, by group
        private final int[] firsts; // where each group's begin

        Work(TypedArray column, double[] delays) {
            kind = column.dtype().charAt(1);
            size = column.dtype().charAt(2) - '0';
            int[] groupOf = assign(column.buffer(), delays);
            firsts = new int[groups + 1];
            for (int i = 0; i < groups; i++) {
                firsts[i + 1] = firsts[i] + counts[i];
            }
            sorted = new double[firsts[groups]];
            int[] next = firsts.clone();
            for (int i = 0; i < delays.length; i++) {
                if (!Double.isNaN(delays[i])) {
                    sorted[next[groupOf[i]]++] = delays[i];
                }
            }
        }

        private int[] assign(ByteBuffer items, double[] delays) {
            int[] groupOf = new int[delays.length];
            for (int i = 0; i < delays.length; i++) {
                int number = find(keyOf(items, i * size));
                groupOf[i] = number;
                if (delays[i] == missing) {
                    delays[i] = Double.NaN;
                }
                if (Double.isNaN(delays[i])) {
                    missings[number]++;
                } else {
                    counts[number]++;
                }
            }
            return groupOf;
        }

        /** A row's group as a number whose unsigned order is the groups' order: signed integers are
         * shifted to begin at 0, strings are read with their first byte as the highest. */
        private long keyOf(ByteBuffer items, int at) {
            long key = 0;
            for (int i = 0; i < size; i++) {
                long item = items.get(at + i) & 0xffL;
                key |= item << (kind == 'S' ? 56 - 8 * i : 8 * i);
            }
            return kind == 'i' ? key ^ 1L << 8 * size - 1 : key;
        }

        private void putKey(LoanBuffer out, long at, long key) {
            long value = kind == 'i' ? key ^ 1L << 8 * size - 1 : key;
            for (int i = 0; i < size; i++) {
                out.putByte(at + i, (byte) (value >>> (kind == 'S' ? 56 - 8 * i : 8 * i)));
            }
        }

        private int place(long key) {
            long hash = key * 0x9E3779B97F4A7C15L;
            int at = (int) (hash ^ hash >>> 32) & table.length - 1;
            while (table[at] != 0 && keys[table[at] - 1] != key) {
                at = at + 1 & table.length - 1;
            }
            return at;
        }

        private int find(long key) {
            int at = place(key);
            if (table[at] != 0) {
                return table[at] - 1;
            }
            if (groups == keys.length) {
                grow();
                at = place(key);
            }
            keys[groups] = key;
            table[at] = ++groups;
            return groups - 1;
        }

        private void grow() {
            int room = keys.length * 2;
            keys = Arrays.copyOf(keys, room);
            counts = Arrays.copyOf(counts, room);
            missings = Arrays.copyOf(missings, room);
            table = new int[room * 2];
            for (int i = 0; i < groups; i++) {
                table[place(keys[i])] = i + 1;
            }
        }

        /** Their numbers, in ascending order of the groups. */
        private int[] order() {
            Integer[] order = new Integer[groups];
            Arrays.setAll(order, i -> i);
            Arrays.sort(order, (a, b) -> Long.compareUnsigned(keys[a], keys[b]));
            return Arrays.stream(order).mapToInt(Integer::intValue).toArray();
        }
    }

    private void answer(Call call, String groupDtype, Work work) {
        long rows = work.groups;
        LoanBuffer[] out = call.answerMap(
                new Column("group", groupDtype, rows), new Column("count", "<i8", rows),
                new Column("missing", "<i8", rows), new Column("mean", "<f8", rows),
                new Column("std", "<f8", rows), new Column("min", "<f8", rows),
                new Column("max", "<f8", rows),
                new Column("quantiles", "<f8", rows, quantiles.length));
        double[] found = new double[quantiles.length];
        int row = 0;
        for (int number : work.order()) {
            int first = work.firsts[number], end = work.firsts[number + 1];
            Statistics.Summary of = Statistics.summarise(work.sorted, first, end);
            Statistics.quantiles(found, 0, work.sorted, first, end, quantiles);
            work.putKey(out[0], (long) row * work.size, work.keys[number]);
            out[1].putLong(8L * row, work.counts[number]);
            out[2].putLong(8L * row, work.missings[number]);
            out[3].putDouble(8L * row, of.mean());
            out[4].putDouble(8L * row, of.std());
            out[5].putDouble(8L * row, of.least());
            out[6].putDouble(8L * row, of.most());
            out[7].put(8L * row * found.length, found);
            row++;
        }
    }
}
