package io.zcx;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The "options" of a calculator's configuration, for its constructor. One that is there with another
 * type is EINVAL with a sentence that names it, and so is one that the constructor never asked for.
 */
public final class Options {
    private final Map<String, Object> all;
    private final Set<String> left;

    Options(Map<String, Object> all) {
        this.all = all;
        this.left = new HashSet<>(all.keySet());
    }

    private Object ask(String name) {
        left.remove(name);
        return all.get(name);
    }

    private static ZcxException wrong(String name, Object value, String allowed) {
        return new ZcxException(Status.EINVAL, "option '" + name + "' is "
                + (value instanceof String ? "\"" + value + "\"" : value) + "; allowed: " + allowed);
    }

    public String string(String name, String fallback) {
        Object value = ask(name);
        if (all.containsKey(name) && !(value instanceof String)) {
            throw wrong(name, value, "text");
        }
        return value == null ? fallback : (String) value;
    }

    public double number(String name, double fallback) {
        Object value = ask(name);
        if (all.containsKey(name) && !(value instanceof Number)) {
            throw wrong(name, value, "a number");
        }
        return value == null ? fallback : ((Number) value).doubleValue();
    }

    public boolean bool(String name, boolean fallback) {
        Object value = ask(name);
        if (all.containsKey(name) && !(value instanceof Boolean)) {
            throw wrong(name, value, "true or false");
        }
        return value == null ? fallback : (Boolean) value;
    }

    /** A number or a list of at most `most` numbers. */
    public double[] numbers(String name, int most, double... fallback) {
        Object value = ask(name);
        if (!all.containsKey(name)) {
            return fallback;
        }
        List<?> items = value instanceof List<?> list ? list : Arrays.asList(value);
        if (items.size() > most) {
            throw new ZcxException(Status.EINVAL, "option '" + name + "' has " + items.size()
                    + " numbers; allowed: at most " + most);
        }
        double[] out = new double[items.size()];
        for (int i = 0; i < out.length; i++) {
            if (!(items.get(i) instanceof Number number)) {
                throw wrong(name, value, "a number or a list of numbers");
            }
            out[i] = number.doubleValue();
        }
        return out;
    }

    /** For a constructor to throw: what it read is no use. */
    public ZcxException fail(String why) {
        return new ZcxException(Status.EINVAL, why);
    }

    /** The first option that nobody asked for. */
    void check() {
        for (String name : all.keySet()) {
            if (left.contains(name)) {
                throw new ZcxException(Status.EINVAL, "it has no option '" + name + "'");
            }
        }
    }
}
