package io.zcx;

import java.lang.reflect.Array;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.ShortBuffer;
import java.util.Objects;

/**
 * An array: NumPy's type string ("&lt;f8", "&gt;i4", "|u1", …), shape, order 'C' or 'F', and the
 * elements without gaps. One that was read lies where its payload lies, read-only, and holds it. One
 * to be written is made by {@code of}, and refers to the values that it is given.
 */
public final class TypedArray {
    private final String dtype;
    private final long[] shape;
    private final char order;
    private final long nbytes;
    private final Memory memory; // read: the payload that it is in, from `offset` on
    private final long offset;
    private final Object values; // to be written: an array of a primitive type, or a ByteBuffer

    TypedArray(String dtype, long[] shape, char order, Memory memory, long offset, long nbytes) {
        this.dtype = dtype;
        this.shape = shape;
        this.order = order;
        this.nbytes = nbytes;
        this.memory = memory;
        this.offset = offset;
        this.values = null;
        memory.hold();
    }

    private TypedArray(String dtype, long[] shape, char order, Object values, long nbytes) {
        this.dtype = Objects.requireNonNull(dtype);
        this.shape = shape.clone();
        this.order = order;
        this.nbytes = nbytes;
        this.memory = null;
        this.offset = 0;
        this.values = values;
    }

    /** Of a byte[], short[], int[], long[], float[] or double[], in C order; one dimension unless
     * `shape` says otherwise. Its product has to be the number of values. */
    public static TypedArray of(Object values, long... shape) {
        String dtype = dtypeOf(values);
        if (dtype == null) {
            throw new ZcxException(Status.EINVAL, "a " + (values == null ? "null"
                    : values.getClass().getTypeName()) + " is no array of numbers");
        }
        int count = Array.getLength(values);
        long[] sizes = shape.length == 0 ? new long[] {count} : shape;
        long product = 1;
        for (long size : sizes) {
            product = size < 0 ? -1 : product * size;
        }
        if (product != count) {
            throw new ZcxException(Status.EINVAL, count + " values do not fill shape "
                    + java.util.Arrays.toString(sizes));
        }
        return new TypedArray(dtype, sizes, 'C', values, (long) count * (dtype.charAt(2) - '0'));
    }

    /** Of any dtype; `elements` is read from its position to its limit. */
    public static TypedArray of(String dtype, long[] shape, char order, ByteBuffer elements) {
        return new TypedArray(dtype, shape, order, elements.slice(), elements.remaining());
    }

    /** The type string of an array of numbers; null for anything else. */
    static String dtypeOf(Object values) {
        return values instanceof double[] ? "<f8" : values instanceof float[] ? "<f4"
                : values instanceof long[] ? "<i8" : values instanceof int[] ? "<i4"
                : values instanceof short[] ? "<i2" : values instanceof byte[] ? "|i1" : null;
    }

    public String dtype() {
        return dtype;
    }

    public long[] shape() {
        return shape.clone();
    }

    public char order() {
        return order;
    }

    /** Elements. */
    public long count() {
        long count = 1;
        for (long size : shape) {
            count *= size;
        }
        return count;
    }

    public long nbytes() {
        return nbytes;
    }

    /** All elements, read-only, in their own byte order. ELIMIT over 2 GiB. */
    public ByteBuffer buffer() {
        return buffer(0, nbytes);
    }

    /** `length` bytes from `from` on. */
    public ByteBuffer buffer(long from, long length) {
        if (from < 0 || length < 0 || from > nbytes - length) {
            throw new ZcxException(Status.EINVAL, "bytes " + from + " to " + (from + length)
                    + " are not in an array of " + nbytes + " bytes");
        }
        ByteBuffer out = memory != null ? memory.slice(offset + from, length)
                : bytes().slice((int) from, (int) length);
        return out.order(byteOrder());
    }

    private ByteBuffer bytes() {
        if (values instanceof ByteBuffer buffer) {
            return buffer.asReadOnlyBuffer();
        }
        ByteBuffer out = ByteBuffer.allocate((int) nbytes).order(ByteOrder.nativeOrder());
        Packer.copy(out, values);
        return out.asReadOnlyBuffer();
    }

    private ByteOrder byteOrder() {
        return dtype.startsWith(">") ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN;
    }

    /** All elements, if they are `kind` of `size` bytes and aligned to that. */
    private ByteBuffer as(String kinds, int size) {
        boolean simple = dtype.length() == 3 && "<>|".indexOf(dtype.charAt(0)) >= 0;
        if (!simple || kinds.indexOf(dtype.charAt(1)) < 0 || dtype.charAt(2) - '0' != size) {
            throw new ZcxException(Status.EINVAL, "an array of " + dtype + " cannot be read as "
                    + kinds.charAt(0) + size);
        }
        ByteBuffer out = buffer();
        if (out.isDirect() && out.alignmentOffset(0, size) != 0) {
            throw new ZcxException(Status.ECORRUPT, "elements of " + dtype + " do not begin at a multiple of "
                    + size);
        }
        return out;
    }

    /** Its elements, if it is an f8. EINVAL names the dtype that it has. */
    public DoubleBuffer asDoubles() {
        return as("f", 8).asDoubleBuffer();
    }

    /** f4. */
    public FloatBuffer asFloats() {
        return as("f", 4).asFloatBuffer();
    }

    /** i8 or u8; also times, M8 and m8. */
    public LongBuffer asLongs() {
        return as("iumM", 8).asLongBuffer();
    }

    /** i4 or u4. */
    public IntBuffer asInts() {
        return as("iu", 4).asIntBuffer();
    }

    /** i2 or u2. */
    public ShortBuffer asShorts() {
        return as("iu", 2).asShortBuffer();
    }

    /** i1, u1 or b1. */
    public ByteBuffer asBytes() {
        return as("iub", 1);
    }

    /** Copies the elements into memory that is being filled. */
    void writeTo(LoanBuffer out, long at) {
        if (values != null && !(values instanceof ByteBuffer)) {
            out.putArray(at, values);
            return;
        }
        for (long done = 0; done < nbytes;) {
            long part = Math.min(nbytes - done, 1 << 30);
            out.put(at + done, buffer(done, part));
            done += part;
        }
    }

    /** The view or result that is this array and nothing else; null when there is none. */
    Memory whole() {
        return memory != null && offset == 0 && nbytes == memory.length ? memory : null;
    }

    @Override
    public String toString() {
        return "TypedArray[" + dtype + " " + java.util.Arrays.toString(shape) + " " + order + "]";
    }
}
