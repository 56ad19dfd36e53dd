package io.zcx;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads JSON (RFC 8259): Map, List, String, Long or BigInteger, Double, Boolean, null. */
final class Json {
    private static final int NESTING_MAX = 512;

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** ECORRUPT, with the place. Of a name that comes twice the last one counts. */
    static Object parse(String text) {
        Json reader = new Json(text);
        Object out = reader.value(0);
        if (reader.peek() != 0 || reader.at < text.length()) {
            throw reader.wrong("the end");
        }
        return out;
    }

    private ZcxException wrong(String wanted) {
        return new ZcxException(Status.ECORRUPT, "JSON has "
                + (at < text.length() ? "'" + text.charAt(at) + "'" : "its end") + " at " + at + ", not " + wanted);
    }

    /** The next character that is no space; 0 at the end. */
    private char peek() {
        while (at < text.length() && " \t\n\r".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        return at < text.length() ? text.charAt(at) : 0;
    }

    private boolean skip(char wanted) {
        boolean found = peek() == wanted;
        at += found ? 1 : 0;
        return found;
    }

    private void expect(char wanted) {
        if (!skip(wanted)) {
            throw wrong("'" + wanted + "'");
        }
    }

    private Object value(int depth) {
        if (depth > NESTING_MAX) {
            throw new ZcxException(Status.ELIMIT, "JSON is nested over " + NESTING_MAX + " deep");
        }
        return switch (peek()) {
            case '{' -> object(depth);
            case '[' -> list(depth);
            case '"' -> string();
            case 't' -> word("true", true);
            case 'f' -> word("false", false);
            case 'n' -> word("null", null);
            default -> number();
        };
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) {
            throw wrong(word);
        }
        at += word.length();
        return value;
    }

    private Map<String, Object> object(int depth) {
        Map<String, Object> out = new LinkedHashMap<>();
        expect('{');
        if (skip('}')) {
            return out;
        }
        do {
            if (peek() != '"') {
                throw wrong("a name");
            }
            String name = string();
            expect(':');
            out.put(name, value(depth + 1));
        } while (skip(','));
        expect('}');
        return out;
    }

    private List<Object> list(int depth) {
        List<Object> out = new ArrayList<>();
        expect('[');
        if (skip(']')) {
            return out;
        }
        do {
            out.add(value(depth + 1));
        } while (skip(','));
        expect(']');
        return out;
    }

    private String string() {
        StringBuilder out = new StringBuilder();
        for (at++;; at++) {
            char c = at < text.length() ? text.charAt(at) : 0;
            if (c < ' ') {
                throw wrong("text");
            }
            if (c == '"') {
                at++;
                return out.toString();
            }
            out.append(c == '\\' ? escaped() : c);
        }
    }

    private char escaped() {
        char c = ++at < text.length() ? text.charAt(at) : 0;
        int known = "\"\\/bfnrt".indexOf(c);
        if (known >= 0) {
            return "\"\\/\b\f\n\r\t".charAt(known);
        }
        if (c != 'u' || at + 4 >= text.length() || !text.substring(at + 1, at + 5).matches("[0-9a-fA-F]{4}")) {
            throw wrong("an escape");
        }
        at += 4;
        return (char) Integer.parseInt(text.substring(at - 3, at + 1), 16);
    }

    private Object number() {
        int from = at;
        while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        String number = text.substring(from, at);
        if (!number.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")) {
            at = from;
            throw wrong("a value");
        }
        if (number.matches("-?[0-9]+")) {
            BigInteger whole = new BigInteger(number);
            return whole.bitLength() < Long.SIZE ? (Object) whole.longValue() : whole;
        }
        return Double.parseDouble(number);
    }
}
