package io.zcx;

/** A failed call: its status, and one sentence with the names and numbers that matter. */
public class ZcxException extends RuntimeException {
    private final int number;
    private final int cause;
    private final String trace;

    ZcxException(int number, int cause, byte[] message) { // called by the JNI library
        super(Native.text(message));
        this.number = number;
        this.cause = cause;
        this.trace = null;
    }

    ZcxException(Status status, String message) {
        this(status, message, null);
    }

    ZcxException(Status status, String message, String trace) {
        super(message);
        this.number = status.ordinal();
        this.cause = 0;
        this.trace = trace;
    }

    public Status status() {
        return Status.of(number);
    }

    /** libzcx's number of the status. */
    public int number() {
        return number;
    }

    /** An errno, or LMDB's code (negative), or 0. */
    public int errno() {
        return cause;
    }

    /** Of a failed calculator, as its language writes it; null when there is none. */
    public String trace() {
        return trace;
    }

    @Override
    public String toString() {
        return "io.zcx.ZcxException: " + status() + ": " + getMessage();
    }
}
