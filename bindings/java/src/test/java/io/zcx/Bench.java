package io.zcx;

import java.util.Arrays;

/** What the hand-over costs in Java, one line a figure as bench/core.c prints them. */
public final class Bench {
    private static final int ROUNDS = 41;
    private static final int REPEATS = 2_000;

    private Bench() {}

    private interface Step {
        void run();
    }

    /** Nanoseconds a step: the median of the rounds, after ten times as many that warm the compiler up. */
    private static double median(Step step) {
        double[] rounds = new double[ROUNDS];
        for (int round = -10 * ROUNDS; round < ROUNDS; round++) {
            long start = System.nanoTime();
            for (int i = 0; i < REPEATS; i++) {
                step.run();
            }
            if (round >= 0) {
                rounds[round] = (double) (System.nanoTime() - start) / REPEATS;
            }
        }
        Arrays.sort(rounds);
        return rounds[ROUNDS / 2];
    }

    private static void report(String name, double value, String baseline, double other, double most) {
        System.out.printf("%-44s %10.1f %-4s %-34s %10.1f  ratio %.2f (at most %.2f)%n", name, value, "ns", baseline,
                other, value / other, most);
    }

    private static void cycle(Store store, byte[] key, long size) {
        try (Loan loan = store.loan(size)) {
            loan.fill(buffer -> buffer.putInt(0, 1));
            loan.publish(key, size, Envelope.of(Format.RAW));
        }
        store.view(key).close();
    }

    public static void main(String[] arguments) {
        try (Store store = Store.open(TestStores.path(), new Store.Options().budget(2L << 30))) {
            byte[] small = {1}, large = {2};
            double four = median(() -> cycle(store, small, 4096 - 64));
            double hundred = median(() -> cycle(store, large, 100_000_000));
            double view = median(() -> store.view(large).close());
            double read = median(() -> { // and what the collector takes for it
                try (View of = store.view(large)) {
                    of.buffer();
                }
            });
            report("view+release, Java", view, "what the issue allows", 1000, 1);
            report("view+buffer+release, Java", read, "view+release", view, 20);
            report("loan+publish+view+release, Java, 100 MB", hundred, "the same, 4 KB", four, 1.1);
        }
    }
}
