package io.zcx;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.util.Map;
import java.util.function.Function;

/**
 * A payload, read where it lies: a {@link View}, or the {@link Result} of a call. Its bytes do not
 * change while it is open or a buffer or array that was read from it can still be reached: close()
 * gives up its own part only. Immutable; may be used by all threads.
 */
public abstract sealed class Payload implements AutoCloseable permits View, Result {
    final Handle handle;
    private volatile Memory memory; // made when first asked for

    Payload(Handle handle) {
        this.handle = handle.ownedBy(this);
    }

    /** The caller is a user of the handle. */
    abstract Memory find(long pointer);

    abstract Envelope describe(long pointer);

    private <T> T use(Function<Memory, T> reader) {
        long pointer = handle.enter();
        try {
            Memory found = memory;
            if (found == null) {
                synchronized (this) {
                    found = memory == null ? memory = find(pointer) : memory;
                }
            }
            return reader.apply(found);
        } finally {
            handle.leave();
        }
    }

    /** Bytes. */
    public final long length() {
        return use(bytes -> bytes.length);
    }

    public final Envelope envelope() {
        long pointer = handle.enter();
        try {
            return describe(pointer);
        } finally {
            handle.leave();
        }
    }

    /** All of it: direct, read-only, in native order. ELIMIT over 2 GiB. */
    public final ByteBuffer buffer() {
        return use(bytes -> bytes.slice(0, bytes.length));
    }

    /** `length` bytes from `offset` on. */
    public final ByteBuffer buffer(long offset, long length) {
        return use(bytes -> bytes.slice(offset, length));
    }

    /** The payload's object: ByteBuffer (raw, arrow), String (json), Map, List, … (msgpack),
     * TypedArray (numpy). EFAILED with the message of an error record. */
    public final Object get() {
        Envelope envelope = envelope();
        return use(bytes -> bytes.decode(envelope));
    }

    /** {@link #get} for a msgpack map. */
    @SuppressWarnings("unchecked")
    public final Map<String, Object> map() {
        return expect(Map.class);
    }

    /** {@link #get} for a NumPy payload, or msgpack that is one array. */
    public final TypedArray array() {
        return expect(TypedArray.class);
    }

    private <T> T expect(Class<T> type) {
        Object found = get();
        if (!type.isInstance(found)) {
            throw new ZcxException(Status.EINVAL, "the payload is no " + type.getSimpleName() + " but "
                    + (found == null ? "null" : found.getClass().getSimpleName()));
        }
        return type.cast(found);
    }

    /** All bytes as elements of `size` bytes; payloads are 64-byte aligned. */
    private ByteBuffer as(int size) {
        ByteBuffer all = buffer();
        if (all.remaining() % size != 0) {
            throw new ZcxException(Status.EINVAL, all.remaining() + " bytes are no whole number of elements of "
                    + size + " bytes");
        }
        return all.order(ByteOrder.nativeOrder());
    }

    /** All bytes as doubles, whatever the envelope says; EINVAL when the length does not fit. */
    public final DoubleBuffer asDoubles() {
        return as(8).asDoubleBuffer();
    }

    public final FloatBuffer asFloats() {
        return as(4).asFloatBuffer();
    }

    public final LongBuffer asLongs() {
        return as(8).asLongBuffer();
    }

    public final IntBuffer asInts() {
        return as(4).asIntBuffer();
    }

    public final boolean closed() {
        return handle.closed();
    }

    @Override
    public void close() {
        handle.close();
        memory = null; // what was read keeps its own
    }
}
