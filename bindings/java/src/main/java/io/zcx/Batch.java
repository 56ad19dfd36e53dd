package io.zcx;

/**
 * Puts and deletes that others see all at once, at commit. For one thread at a time. Closing one
 * that was not committed discards it.
 */
public final class Batch implements AutoCloseable {
    private final Handle handle;
    private final Store store;

    Batch(long batch, Handle parent, Store store) {
        this.handle = new Handle(Handle.Kind.BATCH, batch, parent).ownedBy(this);
        this.store = store;
    }

    public Batch put(String key, Object value) {
        return put(Utf8.bytes(key), value, null);
    }

    public Batch put(String key, Object value, Envelope envelope) {
        return put(Utf8.bytes(key), value, envelope);
    }

    /** As {@link Store#put(byte[], Object, Envelope)}; of a key's entries the last one counts. */
    public Batch put(byte[] key, Object value, Envelope envelope) {
        Encoded encoded = new Encoded(value, envelope);
        try (Loan loan = store.loan(encoded.size)) {
            loan.fill(encoded);
            publish(loan, key, encoded.size, encoded.envelope);
        }
        return this;
    }

    /** Takes a loan over, without a copy; after an error it is still there. */
    public Batch publish(Loan loan, byte[] key, long length, Envelope envelope) {
        long batch = handle.enterAlone();
        try {
            loan.publish(batch, key, length, envelope);
        } finally {
            handle.leave();
        }
        return this;
    }

    public Batch delete(String key) {
        return delete(Utf8.bytes(key));
    }

    /** Deleting what is not there is no error. */
    public Batch delete(byte[] key) {
        long batch = handle.enterAlone();
        try {
            Native.batchDelete(batch, key);
        } finally {
            handle.leave();
        }
        return this;
    }

    /** All or nothing; returns LMDB's transaction id. After an error the batch is still there. */
    public long commit() {
        long batch = handle.enterAlone();
        try {
            long transaction = Native.batchCommit(batch);
            handle.ended();
            return transaction;
        } finally {
            handle.leave();
        }
    }

    @Override
    public void close() {
        handle.close();
    }
}
