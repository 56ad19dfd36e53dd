package io.zcx;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A payload's bytes where they lie. A ByteBuffer cannot be revoked, so what keeps them there is held
 * from the first buffer on that is handed out, until neither this nor any of them can be reached:
 * slices and duplicates keep the buffer that they came from. Who calls decode(), hold() or slice()
 * is a user of the handle, unless it is held already.
 */
final class Memory {
    private static final int ALIGNMENT = 64; // of a payload

    final Handle handle; // null of a copy
    final long length;
    private final long address;
    private ByteBuffer all; // never handed out; null over 2 GiB, and before it is needed
    private ByteBuffer root; // a read-only one of it; null before it is held
    private boolean held;

    Memory(Handle handle, long address, long length) {
        this.handle = handle;
        this.address = address;
        this.length = length;
    }

    private Memory(ByteBuffer copy) {
        this(null, Native.addressOf(copy), copy.capacity());
        all = copy;
        root = copy.asReadOnlyBuffer();
        held = true;
    }

    /** A copy of bytes that end before the buffers of them may: its memory is the JVM's. */
    static Memory copyOf(long address, long length) {
        if (length > Integer.MAX_VALUE - 2 * ALIGNMENT) {
            throw new ZcxException(Status.ELIMIT, "an input of " + length
                    + " bytes did not come through the store, and is over 2 GiB: enable the store");
        }
        ByteBuffer copy = ByteBuffer.allocateDirect((int) length + 2 * ALIGNMENT).alignedSlice(ALIGNMENT)
                .slice(0, (int) length);
        if (length > 0) {
            copy.put(0, Native.buffer(address, length), 0, (int) length);
        }
        return new Memory(copy);
    }

    private synchronized ByteBuffer all() {
        if (all == null && length <= Integer.MAX_VALUE) {
            all = Native.buffer(address, length);
        }
        return all;
    }

    /** Somebody gets what can be read without asking us. */
    synchronized void hold() {
        if (held) {
            return;
        }
        if (all() != null) {
            handle.heldBy(all);
            root = all.asReadOnlyBuffer();
        } else {
            handle.heldBy(this);
        }
        held = true;
    }

    private void check(long offset, long size) {
        if (offset < 0 || size < 0 || offset > length - size) {
            throw new ZcxException(Status.EINVAL, size + " bytes at " + offset
                    + " are not in a payload of " + length + " bytes");
        }
        if (size > Integer.MAX_VALUE) {
            throw new ZcxException(Status.ELIMIT, "a ByteBuffer has at most 2147483647 bytes, not "
                    + size + "; take slices");
        }
    }

    /** A read-only part, in native order. */
    ByteBuffer slice(long offset, long size) {
        check(offset, size);
        hold();
        ByteBuffer out;
        if (root != null) {
            out = root.slice((int) offset, (int) size);
        } else {
            ByteBuffer window = Native.buffer(address + offset, size);
            handle.heldBy(window);
            out = window.asReadOnlyBuffer();
        }
        Reference.reachabilityFence(this);
        return out.order(ByteOrder.nativeOrder());
    }

    /** Text is copied, so it needs no hold. */
    String text(long offset, long size) {
        check(offset, size);
        ByteBuffer bytes = all() != null ? all.slice((int) offset, (int) size)
                : Native.buffer(address + offset, size);
        try {
            return Utf8.text(bytes);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** The object that the payload says, as `envelope` says. */
    Object decode(Envelope envelope) {
        if (envelope.isError()) {
            throw failure();
        }
        return switch (envelope.format()) {
            case MSGPACK -> unpack();
            case JSON -> text(0, length);
            case NUMPY -> new TypedArray(envelope.dtype(), envelope.shape(), envelope.order(), this, 0,
                    length);
            default -> slice(0, length);
        };
    }

    private Object unpack() {
        try {
            return new Unpacker(this).read(address);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** What an error record says. */
    private ZcxException failure() {
        Object said = unpack();
        if (said instanceof java.util.Map<?, ?> map && map.get("message") instanceof String message) {
            return new ZcxException(Status.EFAILED, message,
                    map.get("trace") instanceof String trace ? trace : null);
        }
        return new ZcxException(Status.ECORRUPT, "an error record has no message");
    }
}
