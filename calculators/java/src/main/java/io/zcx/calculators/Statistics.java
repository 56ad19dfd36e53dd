package io.zcx.calculators;

/** Mean, spread and quantiles of doubles that have no NaN among them. */
final class Statistics {
    private Statistics() {}

    private static void swap(double[] x, int a, int b) {
        double kept = x[a];
        x[a] = x[b];
        x[b] = kept;
    }

    /** Orders x[from..to) so that x[k] is what it would be when sorted, smaller ones before it. */
    private static void selectNth(double[] x, int from, int to, int k) {
        while (to - from > 1) {
            int a = from, b = from + (to - from) / 2, c = to - 1;
            if (x[b] < x[a]) {
                swap(x, a, b);
            }
            if (x[c] < x[b]) {
                swap(x, b, c);
            }
            if (x[b] < x[a]) {
                swap(x, a, b);
            }
            double pivot = x[b];
            int low = from, high = to - 1;
            for (;;) { // x[from..low) <= pivot, x(high..to) >= pivot
                while (x[low] < pivot) {
                    low++;
                }
                while (x[high] > pivot) {
                    high--;
                }
                if (low >= high) {
                    break;
                }
                swap(x, low++, high--);
            }
            boolean met = low == high; // then x[high] is the pivot, in its place
            if (met && k == high) {
                return;
            }
            if (k <= high) {
                to = met ? high : high + 1;
            } else {
                from = high + 1;
            }
        }
    }

    /** Of x[first..end), which is reordered; quantiles ascend, so each search begins where the last
     * one ended. Puts them into out from `at` on. */
    static void quantiles(double[] out, int at, double[] x, int first, int end, double[] quantiles) {
        int from = first;
        for (int i = 0; i < quantiles.length; i++) {
            if (first == end) {
                out[at + i] = Double.NaN;
                continue;
            }
            double position = quantiles[i] * (end - first - 1);
            int k = first + (int) position;
            double part = position - (int) position;
            selectNth(x, from, end, k);
            from = k;
            out[at + i] = x[k];
            if (part > 0) {
                selectNth(x, k + 1, end, k + 1);
                out[at + i] += part * (x[k + 1] - x[k]);
            }
        }
    }

    record Summary(double mean, double std, double least, double most) {}

    /** Of x[from..to). Two passes; the second also corrects what the first one lost by rounding. */
    static Summary summarise(double[] x, int from, int to) {
        int count = to - from;
        if (count == 0) {
            return new Summary(Double.NaN, Double.NaN, Double.NaN, Double.NaN);
        }
        double sum = 0, least = x[from], most = x[from];
        for (int i = from; i < to; i++) {
            sum += x[i];
            least = x[i] < least ? x[i] : least;
            most = x[i] > most ? x[i] : most;
        }
        double mean = sum / count;
        if (!Double.isFinite(mean)) {
            return new Summary(mean, Double.NaN, least, most);
        }
        double off = 0, squares = 0;
        for (int i = from; i < to; i++) {
            double d = x[i] - mean;
            off += d;
            squares += d * d;
        }
        mean += off / count;
        double std = count > 1 ? Math.sqrt((squares - off * off / count) / (count - 1)) : Double.NaN;
        return new Summary(mean, std, least, most);
    }
}
