package io.zcx;

/** What a calculator answered. Its record, if it has one, is deleted by a later call or sweep once
 * this is closed and nothing of it can be reached. */
public final class Result extends Payload {
    private final long address;
    private final long length;
    private final Envelope envelope;

    private Result(Handle call, long[] where, Envelope envelope) {
        super(call);
        this.address = where[0];
        this.length = where[1];
        this.envelope = envelope;
    }

    /** Of a call; takes its handle over when it was answered, else throws why it was not. */
    static Result of(Handle call) {
        long[] where = new long[2];
        Envelope envelope = Envelope.unpack(Native.callResult(call.pointer(), where));
        return new Result(call.moved(), where, envelope);
    }

    @Override
    Memory find(long call) {
        return new Memory(handle, address, length);
    }

    @Override
    Envelope describe(long call) {
        return envelope;
    }

    /** For another program, or another call; null when it came directly. The record lives as long as
     * this, or, {@link #keep kept}, until its own time is over. */
    public synchronized Reference reference() {
        long call = handle.enter();
        try {
            byte[] encoded = Native.callResultReference(call);
            return encoded == null ? null : new Reference(encoded);
        } finally {
            handle.leave();
        }
    }

    /** Leaves the record to its time to live. */
    public synchronized void keep() {
        long call = handle.enter();
        try {
            Native.callKeepResult(call);
        } finally {
            handle.leave();
        }
    }
}
