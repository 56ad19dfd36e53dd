package io.zcx;

import java.util.function.Consumer;

/**
 * Memory of the store, to build a payload in: {@code fill}, as often as you like, then
 * {@code publish}. For one thread at a time. Closing gives back what was not published.
 */
public final class Loan implements AutoCloseable {
    private final Handle handle;
    private final long size;

    Loan(long loan, Handle store, long size) {
        this.handle = new Handle(Handle.Kind.LOAN, loan, store).ownedBy(this);
        this.size = size;
    }

    /** Bytes that were asked for. */
    public long size() {
        return size;
    }

    /** Gives the memory to `filler`, until that returns. It is 64-byte aligned, and may hold older
     * payloads. Closing the loan meanwhile takes effect afterwards, publishing it is EBUSY. */
    public Loan fill(Consumer<LoanBuffer> filler) {
        long loan = handle.enterAlone();
        try {
            LoanBuffer buffer = new LoanBuffer(Native.loanData(loan), size);
            try {
                filler.accept(buffer);
            } finally {
                buffer.end();
            }
        } finally {
            handle.leave();
        }
        return this;
    }

    void fill(Encoded encoded) {
        long loan = handle.enterAlone();
        try {
            encoded.writeTo(Native.loanData(loan));
        } finally {
            handle.leave();
        }
    }

    /** All of it, raw. */
    public long publish(String key) {
        return publish(key, Envelope.of(Format.RAW));
    }

    public long publish(String key, Envelope envelope) {
        return publish(Utf8.bytes(key), size, envelope);
    }

    /** Makes its first `length` bytes the payload at `key`, in place, and ends the loan. Returns
     * LMDB's transaction id. After an error it is still there. */
    public long publish(byte[] key, long length, Envelope envelope) {
        long loan = handle.enterAlone();
        try {
            checkLength(length);
            long transaction = Native.loanPublish(loan, key, length, envelope.pack());
            handle.ended();
            return transaction;
        } finally {
            handle.leave();
        }
    }

    /** The batch takes it over. */
    void publish(long batch, byte[] key, long length, Envelope envelope) {
        long loan = handle.enterAlone();
        try {
            checkLength(length);
            Native.batchPublish(batch, loan, key, length, envelope.pack());
            handle.ended();
        } finally {
            handle.leave();
        }
    }

    private void checkLength(long length) {
        if (length < 0 || length > size) {
            throw new ZcxException(Status.EINVAL, length + " bytes to publish, but the loan has " + size);
        }
    }

    /** Gives back what was not published. */
    @Override
    public void close() {
        handle.close();
    }
}
