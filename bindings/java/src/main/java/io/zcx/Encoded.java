package io.zcx;

import java.nio.ByteBuffer;

/** A value on its way into a payload: how large it is, what it is, and how it is written. */
final class Encoded {
    final long size;
    final Envelope envelope;
    private final Object content; // a ByteBuffer, a TypedArray, or anything for msgpack

    /** As the format that `envelope` names; null: as what the value is. */
    Encoded(Object value, Envelope envelope) {
        Object given = TypedArray.dtypeOf(value) != null && !(value instanceof byte[])
                ? TypedArray.of(value) : value;
        Format format = envelope != null ? envelope.format() : natural(given);
        Envelope about = envelope != null ? envelope : Envelope.of(format);
        switch (format) {
            case MSGPACK -> {
                content = given;
                size = Packer.count(given);
            }
            case NUMPY -> {
                TypedArray array = given instanceof TypedArray known ? known : null;
                if (array == null && !(given instanceof byte[] || given instanceof ByteBuffer)) {
                    throw refused(given, "numpy", "a TypedArray");
                }
                content = array != null ? array : bytes(given, format);
                size = array != null ? array.nbytes() : ((ByteBuffer) content).remaining();
                about = array != null ? about.describing(array) : about;
            }
            default -> {
                content = bytes(given, format);
                size = ((ByteBuffer) content).remaining();
            }
        }
        this.envelope = about;
    }

    private static Format natural(Object value) {
        return value instanceof byte[] || value instanceof ByteBuffer ? Format.RAW
                : value instanceof TypedArray ? Format.NUMPY : Format.MSGPACK;
    }

    private static ByteBuffer bytes(Object value, Format format) {
        if (format == Format.JSON && value instanceof CharSequence text) {
            return ByteBuffer.wrap(Utf8.bytes(text.toString()));
        }
        if (value instanceof byte[] bytes) {
            return ByteBuffer.wrap(bytes);
        }
        if (value instanceof ByteBuffer buffer) {
            return buffer.duplicate();
        }
        throw refused(value, format.name().toLowerCase(), format == Format.JSON ? "a String" : "a byte[] or ByteBuffer");
    }

    private static ZcxException refused(Object value, String format, String wanted) {
        return new ZcxException(Status.EINVAL, "a " + (value == null ? "null" : value.getClass().getName())
                + " cannot be written as " + format + "; give " + wanted);
    }

    /** To `address`, which `out` is the memory of. */
    void write(long address, LoanBuffer out) {
        if (envelope.format() == Format.MSGPACK) {
            Packer.write(content, address, out);
        } else if (content instanceof TypedArray array) {
            array.writeTo(out, 0);
        } else {
            out.put(0, (ByteBuffer) content);
        }
    }

    /** To memory that is lent for the time being. */
    void writeTo(long address) {
        LoanBuffer out = new LoanBuffer(address, size);
        try {
            write(address, out);
        } finally {
            out.end();
        }
    }
}
