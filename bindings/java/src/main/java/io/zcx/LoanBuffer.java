package io.zcx;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;

/**
 * Writable memory of the store, little-endian, at offsets in bytes. It is no ByteBuffer, because
 * those cannot be taken back: this one is usable while the function that it was given to runs, by
 * the thread that runs it, and by nobody afterwards, so a published payload cannot be written to.
 */
public final class LoanBuffer {
    private static final int BITS = 30;
    private static final int OVERLAP = 8; // so that no number is cut between two chunks

    /** Of a buffer and its slices: who may write; null when it is over. */
    private static final class Lease {
        private Thread thread = Thread.currentThread();
    }

    private final Lease lease;
    private final ByteBuffer[] chunks; // each of 1 GiB and a little
    private final long base;
    private final long size;

    /** `size` bytes at `address`, until end(). */
    LoanBuffer(long address, long size) {
        this.lease = new Lease();
        this.base = 0;
        this.size = size;
        this.chunks = new ByteBuffer[(int) (size >>> BITS) + 1];
        for (int i = 0; i < chunks.length; i++) {
            long from = (long) i << BITS;
            chunks[i] = Native.buffer(address + from, Math.min(size - from, (1L << BITS) + OVERLAP))
                    .order(ByteOrder.LITTLE_ENDIAN);
        }
    }

    private LoanBuffer(LoanBuffer of, long from, long size) {
        this.lease = of.lease;
        this.chunks = of.chunks;
        this.base = of.base + from;
        this.size = size;
    }

    void end() {
        lease.thread = null;
    }

    /** Bytes. */
    public long size() {
        return size;
    }

    /** A part of it, with offsets of its own. */
    public LoanBuffer slice(long from, long length) {
        check(from, length);
        return new LoanBuffer(this, from, length);
    }

    private void check(long at, long length) {
        if (lease.thread != Thread.currentThread()) {
            throw refused();
        }
        if (at < 0 || length < 0 || at > size - length) {
            throw outside(at, length);
        }
    }

    private ZcxException refused() {
        return lease.thread == null
                ? new ZcxException(Status.ECLOSED, "the memory was given back: its function has returned")
                : new ZcxException(Status.EINVAL, "the memory is filled by another thread, "
                        + lease.thread.getName());
    }

    private ZcxException outside(long at, long length) {
        return new ZcxException(Status.EINVAL, length + " bytes at " + at + " are outside of the memory's "
                + size);
    }

    private ByteBuffer chunk(long at, int length) {
        check(at, length);
        return chunks[(int) (base + at >>> BITS)];
    }

    private int in(long at) {
        return (int) (base + at & (1L << BITS) - 1);
    }

    public void putByte(long at, byte value) {
        chunk(at, 1).put(in(at), value);
    }

    public void putShort(long at, short value) {
        chunk(at, 2).putShort(in(at), value);
    }

    public void putInt(long at, int value) {
        chunk(at, 4).putInt(in(at), value);
    }

    public void putLong(long at, long value) {
        chunk(at, 8).putLong(in(at), value);
    }

    public void putFloat(long at, float value) {
        chunk(at, 4).putFloat(in(at), value);
    }

    public void putDouble(long at, double value) {
        chunk(at, 8).putDouble(in(at), value);
    }

    public byte getByte(long at) {
        return chunk(at, 1).get(in(at));
    }

    public int getInt(long at) {
        return chunk(at, 4).getInt(in(at));
    }

    public long getLong(long at) {
        return chunk(at, 8).getLong(in(at));
    }

    public double getDouble(long at) {
        return chunk(at, 8).getDouble(in(at));
    }

    /** The bytes from position to limit; `source` is not moved. */
    public void put(long at, ByteBuffer source) {
        int from = source.position(), left = source.remaining();
        check(at, left);
        while (left > 0) {
            int here = in(at), part = Math.min(left, (1 << BITS) - here);
            chunks[(int) (base + at >>> BITS)].put(here, source, from, part);
            from += part;
            at += part;
            left -= part;
        }
    }

    public void put(long at, byte... values) {
        put(at, ByteBuffer.wrap(values));
    }

    public void put(long at, short[] values) {
        putArray(at, values);
    }

    public void put(long at, int[] values) {
        putArray(at, values);
    }

    public void put(long at, long[] values) {
        putArray(at, values);
    }

    public void put(long at, float[] values) {
        putArray(at, values);
    }

    public void put(long at, double[] values) {
        putArray(at, values);
    }

    /** An array of a primitive type, in parts that each fit a ByteBuffer. */
    void putArray(long at, Object values) {
        int size = TypedArray.dtypeOf(values).charAt(2) - '0';
        int count = java.lang.reflect.Array.getLength(values);
        check(at, (long) count * size);
        for (int done = 0; done < count;) {
            ByteBuffer chunk = chunks[(int) (base + at >>> BITS)];
            int here = in(at), part = Math.min(count - done, Math.max(1, ((1 << BITS) - here) / size));
            Packer.copy(chunk.slice(here, part * size).order(ByteOrder.LITTLE_ENDIAN), values, done, part);
            done += part;
            at += (long) part * size;
        }
    }

    /** All bytes 0: the memory may hold older payloads. */
    public void clear() {
        byte[] zeros = new byte[8192];
        for (long at = 0; at < size; at += zeros.length) {
            put(at, ByteBuffer.wrap(zeros, 0, (int) Math.min(zeros.length, size - at)));
        }
    }

    /** Writes from offset 0 on; EINVAL at the end of the memory. Nothing needs to be closed. */
    public WritableByteChannel channel() {
        return new WritableByteChannel() {
            private long at;

            @Override
            public int write(ByteBuffer source) {
                int length = source.remaining();
                put(at, source);
                source.position(source.limit());
                at += length;
                return length;
            }

            @Override
            public boolean isOpen() {
                return lease.thread == Thread.currentThread();
            }

            @Override
            public void close() {}
        };
    }
}
