package io.zcx;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;

/**
 * What a record says about its payload. Immutable. One to publish with begins with a format,
 * {@code Envelope.of(Format.RAW).ttl(Duration.ofMinutes(1)).source("loader")}; one that was read
 * has the rest, too.
 */
public final class Envelope {
    /** Until deleted. */
    public static final Duration NEVER = Duration.ZERO;

    static final int ERROR = 2;
    static final int CHECKSUM = 4;
    private static final long TTL_NEVER = -1;
    private static final int HEAD = 88; // bytes of `struct packed` in load.c
    private static final int TEXTS = 4;

    private int format;
    private int flags;
    private long ttlMs; // 0: default
    private long length;
    private long transaction;
    private long created;
    private long expires;
    private int slot;
    private int generation;
    private int checksum;
    private boolean inSlot;
    private char order;
    private long[] shape = {};
    private String[] texts = new String[TEXTS]; // source, target, content type, dtype

    private Envelope() {}

    public static Envelope of(Format format) {
        if (format == Format.UNKNOWN) {
            throw new ZcxException(Status.EINVAL, "a payload cannot be published as UNKNOWN");
        }
        Envelope out = new Envelope();
        out.format = format.ordinal();
        return out;
    }

    /** Of one array's elements, in C order. `dtype` is NumPy's type string, as "&lt;f8". */
    public static Envelope numpy(String dtype, long... shape) {
        return numpy(dtype, shape, 'C');
    }

    /** Elements in order 'C' (the last index runs fastest) or 'F' (the first one does). */
    public static Envelope numpy(String dtype, long[] shape, char order) {
        Envelope out = of(Format.NUMPY);
        out.texts[3] = dtype;
        out.shape = shape.clone();
        out.order = order;
        return out;
    }

    /** This, of that array. */
    Envelope describing(TypedArray array) {
        Envelope out = with(3, array.dtype());
        out.shape = array.shape();
        out.order = array.order();
        return out;
    }

    private Envelope copy() {
        Envelope out = new Envelope();
        out.format = format;
        out.flags = flags;
        out.ttlMs = ttlMs;
        out.order = order;
        out.shape = shape;
        out.texts = texts.clone();
        return out;
    }

    private Envelope with(int at, String text) {
        Envelope out = copy();
        out.texts[at] = text;
        return out;
    }

    /** Five minutes unless given; {@link #NEVER} until deleted. */
    public Envelope ttl(Duration ttl) {
        if (ttl.isNegative()) {
            throw new ZcxException(Status.EINVAL, "a time to live is " + ttl + "; allowed: 0 and more");
        }
        Envelope out = copy();
        out.ttlMs = ttl.isZero() ? TTL_NEVER : Math.max(1, ttl.toMillis());
        return out;
    }

    public Envelope source(String source) {
        return with(0, source);
    }

    public Envelope target(String target) {
        return with(1, target);
    }

    /** A media type. */
    public Envelope contentType(String type) {
        return with(2, type);
    }

    /** Stores the payload's CRC32C, for {@link View#verify}. */
    public Envelope checksum(boolean wanted) {
        Envelope out = copy();
        out.flags = wanted ? flags | CHECKSUM : flags & ~CHECKSUM;
        return out;
    }

    public Format format() {
        return Format.of(format);
    }

    /** The format's number, also when this version does not know it. */
    public int formatTag() {
        return format;
    }

    /** The payload says why there is no result. */
    public boolean isError() {
        return (flags & ERROR) != 0;
    }

    public boolean hasChecksum() {
        return (flags & CHECKSUM) != 0;
    }

    int flags() {
        return flags;
    }

    /** CRC32C of the payload if {@link #hasChecksum}. */
    public int crc32c() {
        return checksum;
    }

    /** Who wrote it; null when not said. */
    public String source() {
        return texts[0];
    }

    public String target() {
        return texts[1];
    }

    public String contentType() {
        return texts[2];
    }

    /** Of a NumPy payload: its elements' type string. */
    public String dtype() {
        return texts[3];
    }

    public long[] shape() {
        return shape.clone();
    }

    /** 'C' or 'F'. */
    public char order() {
        return order == 0 ? 'C' : order;
    }

    /** Bytes of the payload. */
    public long length() {
        return length;
    }

    /** LMDB's id of the transaction that published it. */
    public long transaction() {
        return transaction;
    }

    public Instant created() {
        return Instant.ofEpochSecond(0, created);
    }

    /** Null: never. */
    public Instant expires() {
        return expires == 0 ? null : Instant.ofEpochSecond(0, expires);
    }

    long createdNs() {
        return created;
    }

    long expiresNs() {
        return expires;
    }

    /** It lies in a slot, not in the record. */
    public boolean inSlot() {
        return inSlot;
    }

    /** Of the slot, an unsigned number. */
    public int slot() {
        return slot;
    }

    public int generation() {
        return generation;
    }

    /** As `struct packed` of load.c. */
    byte[] pack() {
        byte[][] encoded = new byte[TEXTS][];
        int size = HEAD + 8 * shape.length;
        for (int i = 0; i < TEXTS; i++) {
            encoded[i] = Native.bytes(texts[i]);
            size += encoded[i] == null ? 0 : encoded[i].length;
        }
        ByteBuffer out = ByteBuffer.allocate(size).order(ByteOrder.nativeOrder());
        out.putInt(format).putInt(flags).putLong(ttlMs).putLong(0).putLong(0).putLong(0).putLong(0);
        out.putInt(0).putInt(0).putInt(0).putInt(0).putInt(order).putInt(shape.length);
        for (byte[] text : encoded) {
            out.putInt(text == null ? 0 : text.length);
        }
        for (long extent : shape) {
            out.putLong(extent);
        }
        for (byte[] text : encoded) {
            if (text != null) {
                out.put(text);
            }
        }
        return out.array();
    }

    static Envelope unpack(byte[] packed) {
        ByteBuffer in = ByteBuffer.wrap(packed).order(ByteOrder.nativeOrder());
        Envelope out = new Envelope();
        out.format = in.getInt();
        out.flags = in.getInt();
        out.ttlMs = in.getLong();
        out.length = in.getLong();
        out.transaction = in.getLong();
        out.created = in.getLong();
        out.expires = in.getLong();
        out.slot = in.getInt();
        out.generation = in.getInt();
        out.checksum = in.getInt();
        out.inSlot = in.getInt() != 0;
        out.order = (char) in.getInt();
        out.shape = new long[in.getInt()];
        int[] sizes = new int[TEXTS];
        for (int i = 0; i < TEXTS; i++) {
            sizes[i] = in.getInt();
        }
        in.asLongBuffer().get(out.shape);
        int at = HEAD + 8 * out.shape.length;
        for (int i = 0; i < TEXTS; i++) {
            out.texts[i] = sizes[i] == 0 ? null : Native.text(Arrays.copyOfRange(packed, at, at + sizes[i] - 1));
            at += sizes[i];
        }
        return out;
    }

    @Override
    public String toString() {
        return "Envelope[" + format() + ", " + length + " bytes"
                + (dtype() == null ? "" : ", " + dtype() + " " + Arrays.toString(shape)) + "]";
    }
}
