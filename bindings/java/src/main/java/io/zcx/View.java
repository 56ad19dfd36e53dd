package io.zcx;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.util.Map;

/**
 * A payload, read where it lies. Its bytes do not change while the view is open or a buffer, array
 * or object that was read from it can still be reached, whatever happens to the key: close() gives
 * up the view's own part only. Immutable; may be used by all threads.
 */
public final class View implements AutoCloseable {
    private final Handle handle;
    private volatile Memory memory; // made when first asked for

    View(long view, Handle store) {
        this.handle = new Handle(Handle.Kind.VIEW, view, store).ownedBy(this);
    }

    Handle handle() {
        return handle;
    }

    private synchronized Memory memory() {
        long view = handle.enter();
        try {
            if (memory == null) {
                memory = new Memory(handle, Native.viewData(view), Native.viewLength(view));
            }
            return memory;
        } finally {
            handle.leave();
        }
    }

    /** Bytes. */
    public long length() {
        long view = handle.enter();
        try {
            return Native.viewLength(view);
        } finally {
            handle.leave();
        }
    }

    public String key() {
        return Native.text(keyBytes());
    }

    public byte[] keyBytes() {
        long view = handle.enter();
        try {
            return Native.viewKey(view);
        } finally {
            handle.leave();
        }
    }

    public Envelope envelope() {
        long view = handle.enter();
        try {
            return Envelope.unpack(Native.viewEnvelope(view));
        } finally {
            handle.leave();
        }
    }

    /** Compares the payload with its checksum: ECORRUPT. False when it has none. */
    public boolean verify() {
        long view = handle.enter();
        try {
            return Native.viewVerify(view);
        } finally {
            handle.leave();
        }
    }

    /** All of it: direct, read-only, in native order. ELIMIT over 2 GiB. */
    public ByteBuffer buffer() {
        Memory all = memory();
        return all.slice(0, all.length);
    }

    /** `length` bytes from `offset` on. */
    public ByteBuffer buffer(long offset, long length) {
        return memory().slice(offset, length);
    }

    /** The payload's object: ByteBuffer (raw, arrow), String (json), Map, List, … (msgpack),
     * TypedArray (numpy). EFAILED with the message of an error record. */
    public Object get() {
        return memory().decode(envelope());
    }

    /** {@link #get} for a msgpack map. */
    @SuppressWarnings("unchecked")
    public Map<String, Object> map() {
        return expect(Map.class);
    }

    /** {@link #get} for a NumPy payload, or msgpack that is one array. */
    public TypedArray array() {
        return expect(TypedArray.class);
    }

    private <T> T expect(Class<T> type) {
        Object found = get();
        if (!type.isInstance(found)) {
            throw new ZcxException(Status.EINVAL, "the payload of '" + key() + "' is no " + type.getSimpleName()
                    + " but " + (found == null ? "null" : found.getClass().getSimpleName()));
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
    public DoubleBuffer asDoubles() {
        return as(8).asDoubleBuffer();
    }

    public FloatBuffer asFloats() {
        return as(4).asFloatBuffer();
    }

    public LongBuffer asLongs() {
        return as(8).asLongBuffer();
    }

    public IntBuffer asInts() {
        return as(4).asIntBuffer();
    }

    public boolean closed() {
        return handle.closed();
    }

    @Override
    public void close() {
        handle.close();
        memory = null;
    }
}
