package io.zcx;

import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;

/**
 * A native object, freed once, by the last of its users: its owner until close(), each call while
 * it runs, each buffer that can still be reached, each child. So no call uses it after its end,
 * whichever thread closes it when. The number holds the users, times two, plus one when closed.
 */
final class Handle extends AtomicInteger implements Runnable {
    enum Kind {
        STORE("the store"), VIEW("the view"), LOAN("the loan"), BATCH("the batch"), SCAN("the scan"),
        EXCHANGE("the calculator"), CALCULATOR("the calculator"), CALL("the result"),
        WORKER("the worker");

        final String text;

        Kind(String text) {
            this.text = text;
        }
    }

    private static final int CLOSED = 1;
    private static final int USER = 2;
    private static final int IDLE_MOST = 8; // waits for the collector, 1 to 256 ms, that bring nothing
    private static final int TRIES_MOST = 1000;
    private static final Cleaner CLEANER = Cleaner.create();
    private static final LongAdder HELD = new LongAdder(); // by buffers

    private final Kind kind;
    private Handle parent; // we are one of its users; nullable
    private volatile long pointer;
    private Cleaner.Cleanable owner; // set once, before others see the owner; null without one

    Handle(Kind kind, long pointer, Handle parent) {
        super(USER);
        this.kind = kind;
        this.pointer = pointer;
        this.parent = parent;
    }

    /** Closes this when `owner` is forgotten without having been closed. */
    Handle ownedBy(Object owner) {
        this.owner = CLEANER.register(owner, this);
        return this;
    }

    /** One more user, until leave(). Returns the pointer. */
    long enter() {
        for (;;) {
            int state = get();
            refuseClosed(state);
            if (compareAndSet(state, state + USER)) {
                return pointer;
            }
        }
    }

    /** One more user of what a buffer holds, and so is there, closed or not. */
    void enterHeld() {
        addAndGet(USER);
    }

    /** For what one thread at a time may use. */
    long enterAlone() {
        while (!compareAndSet(USER, 2 * USER)) {
            int state = get();
            refuseClosed(state);
            if (state != USER) {
                throw new ZcxException(Status.EBUSY, kind.text + " is used by another call");
            }
        }
        return pointer;
    }

    void leave() {
        if (addAndGet(-USER) >> 1 == 0) {
            free();
        }
    }

    /** One more user, until `holder` is unreachable or clean(). The caller is a user already. */
    Cleaner.Cleanable heldBy(Object holder) {
        addAndGet(USER);
        HELD.increment();
        return CLEANER.register(holder, () -> {
            leave();
            HELD.decrement();
        });
    }

    /** Gives the object and its parent to a new handle; this one is closed. For the only user. */
    Handle moved() {
        Handle out = new Handle(kind, pointer, parent);
        parent = null;
        ended();
        return out;
    }

    /**
     * What buffers hold is given back when the collector has seen them go, which it has no reason
     * to look for: when the store has no room left, it is asked to, as the JDK does when it has no
     * direct memory left.
     */
    static long untilCollected(ZcxException failure, LongSupplier attempt) {
        ZcxException error = failure;
        long before = Long.MAX_VALUE;
        for (int i = 0, idle = 0; error.status() == Status.EFULL || error.status() == Status.ELIMIT; i++) {
            long held = HELD.sum(); // before the attempt: what goes meanwhile is worth another one
            if (i == 0 && held > 0) {
                System.gc();
            }
            try {
                return attempt.getAsLong();
            } catch (ZcxException again) {
                error = again;
            }
            idle = held < before ? 0 : idle + 1;
            before = held;
            if (held == 0 || idle > IDLE_MOST || i > TRIES_MOST) {
                break;
            }
            LockSupport.parkNanos(1_000_000L << idle);
        }
        throw error;
    }

    /** Ends the owner's use; the others' goes on. */
    void close() {
        if (owner != null) {
            owner.clean(); // runs run(), once, and forgets the owner: the collector has nothing to do
        } else {
            run();
        }
    }

    /** The Cleaner's, too. */
    @Override
    public void run() {
        for (;;) {
            int state = get();
            if ((state & CLOSED) != 0) {
                return;
            }
            int now = (state | CLOSED) - USER;
            if (compareAndSet(state, now)) {
                if (now >> 1 == 0) {
                    free();
                }
                return;
            }
        }
    }

    /** The native object is gone, by a call of a user that is still inside. */
    void ended() {
        pointer = 0;
        close();
    }

    boolean closed() {
        return (get() & CLOSED) != 0;
    }

    Kind kind() {
        return kind;
    }

    /** For who is a user. */
    long pointer() {
        return pointer;
    }

    private void refuseClosed(int state) {
        if ((state & CLOSED) != 0) {
            throw new ZcxException(Status.ECLOSED, kind.text + " is closed");
        }
    }

    private void free() {
        long object = pointer;
        pointer = 0;
        if (object != 0) {
            switch (kind) {
                case STORE -> Native.storeClose(object);
                case VIEW -> Native.viewRelease(object);
                case LOAN -> Native.loanDiscard(object);
                case BATCH -> Native.batchDiscard(object);
                case SCAN -> Native.scanClose(object);
                case EXCHANGE -> Native.exchangeClose(object);
                case CALCULATOR -> Native.calculatorClose(object);
                case CALL -> Native.callClose(object);
                case WORKER -> Native.workerClose(object);
            }
        }
        if (parent != null) {
            parent.leave();
        }
    }
}
