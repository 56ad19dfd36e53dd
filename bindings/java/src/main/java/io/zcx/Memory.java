package io.zcx;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A payload's bytes where they lie, and a hold on what keeps them there. A ByteBuffer cannot be
 * revoked, so the hold ends when neither this nor any buffer that was made here can be reached:
 * slices and duplicates keep the buffer that they came from.
 */
final class Memory {
    final Handle handle;
    final long length;
    private final long address;
    private final ByteBuffer root; // of all of it; null over 2 GiB

    /** The caller is a user of `handle`. */
    Memory(Handle handle, long address, long length) {
        this.handle = handle;
        this.address = address;
        this.length = length;
        this.root = length <= Integer.MAX_VALUE ? window(0, length) : null;
        if (root == null) {
            handle.heldBy(this);
        }
    }

    /** A buffer of its own, which holds the payload as long as it can be reached. */
    private ByteBuffer window(long offset, long size) {
        ByteBuffer writable = Native.buffer(address + offset, size);
        handle.heldBy(writable);
        return writable.asReadOnlyBuffer();
    }

    /** A read-only part, in native order. */
    ByteBuffer slice(long offset, long size) {
        if (offset < 0 || size < 0 || offset > length - size) {
            throw new ZcxException(Status.EINVAL, "bytes " + offset + " to " + (offset + size)
                    + " are not in a payload of " + length + " bytes");
        }
        if (size > Integer.MAX_VALUE) {
            throw new ZcxException(Status.ELIMIT, "a ByteBuffer has at most 2147483647 bytes, not "
                    + size + "; take slices");
        }
        ByteBuffer out = root == null ? window(offset, size) : root.slice((int) offset, (int) size);
        Reference.reachabilityFence(this);
        return out.order(ByteOrder.nativeOrder());
    }

    /** The object that the payload says, as `envelope` says. */
    Object decode(Envelope envelope) {
        if (envelope.isError()) {
            throw failure();
        }
        return switch (envelope.format()) {
            case MSGPACK -> unpack();
            case JSON -> Utf8.text(slice(0, length));
            case NUMPY -> new TypedArray(envelope.dtype(), envelope.shape(), envelope.order(), this, 0,
                    length);
            default -> slice(0, length);
        };
    }

    Object unpack() {
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
