package io.zcx;

import java.util.Objects;

/** What travels instead of a payload: a map that names a record of a store. Immutable. */
public final class Reference {
    private static final int MSGPACK = 0;
    private static final int JSON = 1;

    private final byte[] encoded;

    /** In msgpack. */
    Reference(byte[] encoded) {
        this.encoded = encoded;
    }

    /** EINVAL names the field that is missing or wrong; ECORRUPT when it is not one whole map. */
    public static Reference parse(byte[] msgpack) {
        return new Reference(Native.referenceConvert(Objects.requireNonNull(msgpack), MSGPACK, MSGPACK));
    }

    public static Reference parse(String json) {
        return parseJson(Utf8.bytes(json));
    }

    static Reference parseJson(byte[] json) {
        return new Reference(Native.referenceConvert(json, JSON, MSGPACK));
    }

    public byte[] msgpack() {
        return encoded.clone();
    }

    public String json() {
        return Native.text(Native.referenceConvert(encoded, MSGPACK, JSON));
    }

    @Override
    public String toString() {
        return json();
    }
}
