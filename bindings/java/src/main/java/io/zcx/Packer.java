package io.zcx;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.Collection;
import java.util.Map;
import java.util.function.LongFunction;

/**
 * Writes an object as msgpack, in two walks: one that counts, one that writes. Writes null, Boolean,
 * the boxed numbers, BigInteger up to 64 bits, CharSequence, byte[] and ByteBuffer (bin), arrays of
 * other numbers and TypedArray (typed arrays), Collection and Object[], and Map.
 */
final class Packer {
    private static final int NESTING_MAX = 512;
    private static final BigInteger UNSIGNED_MAX = BigInteger.ONE.shiftLeft(64).subtract(BigInteger.ONE);

    /** Where the second walk writes: an address, and the memory there. */
    record Target(long address, LoanBuffer out) {}

    /** Stands for an array that is filled later: slices[index] will be its memory. */
    record Space(String dtype, long[] shape, LoanBuffer[] slices, int index) {}

    private final long packer;
    private final LoanBuffer out; // null while counting
    private final long address;

    private Packer(long packer, long address, LoanBuffer out) {
        this.packer = packer;
        this.address = address;
        this.out = out;
    }

    /** Bytes that `value` takes. */
    static long count(Object value) {
        return walk(value, 0, 0, null);
    }

    /** Writes `value`, whose size was counted, to `address`, which `out` is the memory of. */
    static void write(Object value, long address, LoanBuffer out) {
        walk(value, address, out.size(), out);
    }

    /** Counts, asks for memory of that size, writes. */
    static void write(Object value, LongFunction<Target> memory) {
        Target target = memory.apply(count(value));
        write(value, target.address, target.out);
    }

    private static long walk(Object value, long address, long capacity, LoanBuffer out) {
        long packer = Native.packerOpen(address, capacity);
        try {
            new Packer(packer, address, out).put(value, 0);
        } catch (RuntimeException | Error error) {
            try {
                Native.packerClose(packer);
            } catch (ZcxException closing) { // it was stopped half-way, of course
                error.addSuppressed(closing);
            }
            throw error;
        }
        return Native.packerClose(packer);
    }

    private void put(Object value, int depth) {
        if (value == null) {
            Native.packNil(packer);
        } else if (value instanceof Boolean flag) {
            Native.packBool(packer, flag);
        } else if (value instanceof Double || value instanceof Float) {
            Native.packDouble(packer, ((Number) value).doubleValue());
        } else if (value instanceof BigInteger big) {
            integer(big);
        } else if (value instanceof Long || value instanceof Integer || value instanceof Short
                || value instanceof Byte) {
            Native.packInt(packer, ((Number) value).longValue());
        } else if (value instanceof CharSequence text) {
            Native.packBytes(packer, Utf8.bytes(text.toString()), true);
        } else if (value instanceof byte[] bytes) {
            Native.packBytes(packer, bytes, false);
        } else if (value instanceof ByteBuffer buffer) {
            byte[] bytes = new byte[buffer.remaining()];
            buffer.get(buffer.position(), bytes);
            Native.packBytes(packer, bytes, false);
        } else if (value instanceof Space space) {
            space(space);
        } else if (value instanceof TypedArray array) {
            array(array);
        } else if (TypedArray.dtypeOf(value) != null) {
            array(TypedArray.of(value));
        } else {
            container(value, depth + 1);
        }
    }

    private void container(Object value, int depth) {
        if (depth > NESTING_MAX) {
            throw new ZcxException(Status.ELIMIT, "lists and maps are nested over " + NESTING_MAX
                    + " deep; does one contain itself?");
        }
        if (value instanceof Map<?, ?> map) {
            Native.packMap(packer, map.size());
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                put(entry.getKey(), depth);
                put(entry.getValue(), depth);
            }
            return;
        }
        Collection<?> items = value instanceof Object[] array ? java.util.Arrays.asList(array)
                : value instanceof Collection<?> collection ? collection : null;
        if (items == null) {
            throw new ZcxException(Status.EINVAL, "a " + value.getClass().getName()
                    + " cannot be written as msgpack; write its parts");
        }
        Native.packList(packer, items.size());
        for (Object item : items) {
            put(item, depth);
        }
    }

    private void integer(BigInteger value) {
        if (value.bitLength() < Long.SIZE) {
            Native.packInt(packer, value.longValue());
        } else if (value.signum() > 0 && value.compareTo(UNSIGNED_MAX) <= 0) {
            Native.packUint(packer, value.longValue());
        } else {
            throw new ZcxException(Status.EINVAL, "the integer " + value + " has over 64 bits");
        }
    }

    private void space(Space space) {
        long nbytes = Dtype.nbytes(space.dtype, space.shape);
        long to = Native.packArray(packer, Native.bytes(space.dtype), space.shape, 'C', nbytes);
        if (to != 0 && out != null) {
            space.slices[space.index] = out.slice(to - address, nbytes);
        }
    }

    private void array(TypedArray array) {
        long to = Native.packArray(packer, Native.bytes(array.dtype()), array.shape(), array.order(),
                array.nbytes());
        if (to != 0 && out != null) {
            array.writeTo(out, to - address);
        }
    }

    /** All of an array of a primitive type. */
    static void copy(ByteBuffer to, Object values) {
        copy(to, values, 0, java.lang.reflect.Array.getLength(values));
    }

    /** In `to`'s byte order. */
    static void copy(ByteBuffer to, Object values, int from, int count) {
        if (values instanceof double[] array) {
            to.asDoubleBuffer().put(array, from, count);
        } else if (values instanceof float[] array) {
            to.asFloatBuffer().put(array, from, count);
        } else if (values instanceof long[] array) {
            to.asLongBuffer().put(array, from, count);
        } else if (values instanceof int[] array) {
            to.asIntBuffer().put(array, from, count);
        } else if (values instanceof short[] array) {
            to.asShortBuffer().put(array, from, count);
        } else {
            to.duplicate().put((byte[]) values, from, count);
        }
    }
}
