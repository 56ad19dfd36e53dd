package io.zcx;

/** What a payload is. */
public enum Format {
    RAW, JSON, MSGPACK, NUMPY, ARROW,
    /** A tag of a later version; its payload is read as raw. */
    UNKNOWN;

    private static final Format[] ALL = values();

    static Format of(int tag) {
        return tag >= 0 && tag < UNKNOWN.ordinal() ? ALL[tag] : UNKNOWN;
    }
}
