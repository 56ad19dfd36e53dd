package io.zcx;

/** The payload at a key, which this pins, whatever happens to the key. */
public final class View extends Payload {
    View(long view, Handle store) {
        super(new Handle(Handle.Kind.VIEW, view, store));
    }

    @Override
    Memory find(long view) {
        return new Memory(handle, Native.viewData(view), Native.viewLength(view));
    }

    @Override
    Envelope describe(long view) {
        return Envelope.unpack(Native.viewEnvelope(view));
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

    /** Compares the payload with its checksum: ECORRUPT. False when it has none. */
    public boolean verify() {
        long view = handle.enter();
        try {
            return Native.viewVerify(view);
        } finally {
            handle.leave();
        }
    }
}
