package io.zcx;

/** What a calculator answered. Its record, if it has one, is deleted by the next call or sweep after
 * this is closed; what was read from it stays nevertheless. */
public final class Result extends Payload {
    private final Handle call;
    private final long address;
    private final long length;
    private final Envelope envelope;

    private Result(Handle call, Handle holder, long address, long length, Envelope envelope) {
        super(holder);
        this.call = call.ownedBy(this);
        this.address = address;
        this.length = length;
        this.envelope = envelope;
    }

    /** Of a call; takes its handle over when it was answered, else throws why it was not. */
    static Result of(Handle answered) {
        long[] where = new long[2];
        Envelope envelope = Envelope.unpack(Native.callResult(answered.pointer(), where));
        long view = Native.callPinResult(answered.pointer());
        Handle call = answered.moved();
        return view == 0 ? new Result(call, call, where[0], where[1], envelope)
                : new Result(call, new Handle(Handle.Kind.VIEW, view, null), Native.viewData(view), where[1],
                        envelope);
    }

    @Override
    Memory find(long pointer) {
        return new Memory(handle, address, length);
    }

    @Override
    Envelope describe(long pointer) {
        return envelope;
    }

    /** For another program, or another call; null when it came directly. The record lives as long as
     * this, or, {@link #keep kept}, until its own time is over. */
    public synchronized Reference reference() {
        long pointer = call.enter();
        try {
            byte[] encoded = Native.callResultReference(pointer);
            return encoded == null ? null : new Reference(encoded);
        } finally {
            call.leave();
        }
    }

    /** Leaves the record to its time to live. */
    public synchronized void keep() {
        long pointer = call.enter();
        try {
            Native.callKeepResult(pointer);
        } finally {
            call.leave();
        }
    }

    @Override
    public void close() {
        super.close();
        call.close();
    }
}
