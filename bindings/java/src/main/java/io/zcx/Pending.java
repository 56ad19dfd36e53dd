package io.zcx;

import java.lang.ref.Cleaner;
import java.time.Duration;

/**
 * A call that was begun. For one thread at a time. Closing one that is not answered cancels it; its
 * result, once taken, is the caller's.
 */
public final class Pending implements AutoCloseable {
    private final Calculator calculator;
    private final Handle call;
    private Handle source; // of an input that travels by the record that it has,
    private Cleaner.Cleanable held; // and our hold on it
    private boolean taken;
    private boolean closed;

    Pending(Calculator calculator, Handle call) {
        this.calculator = calculator;
        this.call = call.ownedBy(this);
    }

    void give(Object data, Envelope format) {
        long pointer = call.pointer();
        Memory whole = data instanceof TypedArray array ? array.whole() : null;
        Handle from = data instanceof Payload payload ? payload.handle : whole == null ? null : whole.handle;
        if (data instanceof Reference reference) {
            Native.callInputReference(pointer, reference.msgpack());
        } else if (from == null || !chain(from, data instanceof Payload)) {
            Object value = data instanceof Payload payload ? payload.get() : data;
            Encoded encoded = new Encoded(value, data instanceof Payload || !fits(value, format) ? null : format);
            encoded.writeTo(Native.callInput(pointer, encoded.size));
            Native.callSubmit(pointer, encoded.size, encoded.envelope.pack());
        }
        java.lang.ref.Reference.reachabilityFence(data);
    }

    /** NumPy's and raw payloads are what they are, whatever the configured format. */
    private static boolean fits(Object value, Envelope format) {
        return format.format() != Format.NUMPY || value instanceof TypedArray
                || TypedArray.dtypeOf(value) != null && !(value instanceof byte[]);
    }

    /** Gives the view that an object came from; false when it came from none. */
    private boolean chain(Handle from, boolean open) {
        long pointer;
        if (open) {
            pointer = from.enter();
        } else {
            from.enterHeld();
            pointer = from.pointer();
        }
        try {
            long view = from.kind() == Handle.Kind.VIEW ? pointer : Native.callResultView(pointer);
            if (view != 0) {
                Native.callInputView(call.pointer(), view);
                source = from;
                held = from.heldBy(this);
            }
            return view != 0;
        } finally {
            from.leave();
        }
    }

    void run() {
        traced(() -> calculator.run(call.pointer(), source));
    }

    void send() {
        traced(() -> calculator.send(call.pointer(), source));
    }

    /** A calculator's failure has its trace. */
    private void traced(Runnable step) {
        try {
            step.run();
        } catch (ZcxException error) {
            String trace = Native.text(Native.callTrace(call.pointer()));
            throw trace == null ? error : new ZcxException(error.status(), error.getMessage(), trace);
        }
    }

    private void check() {
        if (closed || taken) {
            throw new ZcxException(Status.ECLOSED, "the call is over");
        }
    }

    /** Is the answer in? Waits at most `timeout`; null: for ever. Throws why the call failed. */
    public synchronized boolean await(Duration timeout) {
        check();
        boolean[] answered = new boolean[1];
        traced(() -> answered[0] = calculator.await(call.pointer(), timeout));
        return answered[0];
    }

    /** The answer, waited for as long as `timeout`: ETIMEDOUT, and it is still under way. */
    public synchronized Result get(Duration timeout) {
        if (!await(timeout)) {
            throw new ZcxException(Status.ETIMEDOUT, "calculator '" + calculator.name()
                    + "' has not answered in " + timeout.toMillis() + " ms; the call is still under way");
        }
        return result();
    }

    synchronized Result result() {
        check();
        Result[] out = new Result[1];
        traced(() -> out[0] = Result.of(call));
        taken = true;
        return out[0];
    }

    /** Nobody wants the answer any more. */
    public synchronized void cancel() {
        check();
        Native.callCancel(call.pointer());
    }

    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        if (!taken) {
            call.close();
        }
        if (held != null) {
            held.clean();
        }
    }
}
