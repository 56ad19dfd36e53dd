package io.zcx;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One call, for the calculator that answers it: its input, and exactly one answer. Used by the
 * thread that runs calculate(), until that returns; arrays and buffers of the input may be kept.
 */
public final class Call {
    /** One array of an answered map, before it is filled. */
    public record Column(String name, String dtype, long... shape) {}

    private final long call;
    private final Envelope inputEnvelope;
    private final Memory input;
    private final List<LoanBuffer> lent = new ArrayList<>();
    private Thread thread = Thread.currentThread();
    private Object value; // the input, read; null before
    private Envelope answer; // null before
    private long length;

    /** `given`: what holds an input that is not the call's own; else null. */
    private Call(long call, Handle given) {
        this.call = call;
        long[] where = new long[2];
        inputEnvelope = Envelope.unpack(Native.callRead(call, where));
        long view = given == null ? Native.callTakeInput(call) : 0;
        Handle holder = view == 0 ? given : new Handle(Handle.Kind.VIEW, view, null);
        if (holder == null) {
            input = Memory.copyOf(where[0], where[1]);
            return;
        }
        input = new Memory(holder, where[0], where[1]);
        input.hold();
        if (view != 0) {
            holder.close(); // from here on its buffers alone hold it
        }
    }

    /** Runs a calculator on a call whose input is given, and answers or fails it. */
    static void run(Plugin plugin, long pointer, Handle given) {
        Call call = null;
        try {
            call = new Call(pointer, given);
            plugin.calculate(call);
            call.send();
        } catch (Throwable error) { // an author's, of whatever kind, is the caller's to hear of
            String message = error instanceof ZcxException ? error.getMessage() : error.toString();
            Native.callFail(pointer, Native.bytes(message.replace('\0', ' ')), Native.bytes(trace(error)));
        } finally {
            if (call != null) {
                call.end();
            }
        }
    }

    private static String trace(Throwable error) {
        java.io.StringWriter out = new java.io.StringWriter();
        error.printStackTrace(new java.io.PrintWriter(out));
        return out.toString().replace('\0', ' ');
    }

    private void end() {
        thread = null;
        lent.forEach(LoanBuffer::end);
    }

    private void send() {
        lent.forEach(LoanBuffer::end);
        if (answer == null) {
            throw fail("it returned without an answer; answerArray(), answerMap(), answer() give one");
        }
        Native.callAnswer(call, length, answer.pack());
    }

    private void check() {
        if (thread != Thread.currentThread()) {
            throw new ZcxException(thread == null ? Status.ECLOSED : Status.EINVAL,
                    "a call is used by the thread that runs calculate(), until that returns");
        }
    }

    /** For calculate() to throw: one sentence that says why there is no answer. */
    public ZcxException fail(String why) {
        return new ZcxException(Status.EFAILED, why);
    }

    // ---- the input

    public Envelope envelope() {
        return inputEnvelope;
    }

    /** As {@link Payload#get}. */
    public Object input() {
        check();
        if (value == null) {
            value = input.decode(inputEnvelope);
        }
        return value;
    }

    /** All bytes of it. */
    public java.nio.ByteBuffer buffer() {
        check();
        return input.slice(0, input.length);
    }

    /**
     * The array under `name` in an input that is a msgpack map, or the whole input when `name` is
     * null. `dtypes`: those that the caller can read, separated by spaces, or null for any. Throws
     * when it is missing or another dtype, and names what is there.
     */
    public TypedArray array(String name, String dtypes) {
        TypedArray found = optionalArray(name, dtypes);
        if (found == null) {
            throw new ZcxException(Status.ENOTFOUND, "the input has no array '" + name + "'; it has "
                    + ((Map<?, ?>) input()).keySet());
        }
        return found;
    }

    /** The same, but null when `name` is missing from the map. */
    public TypedArray optionalArray(String name, String dtypes) {
        Object found = input();
        if (name != null) {
            if (!(found instanceof Map<?, ?> map)) {
                throw new ZcxException(Status.EINVAL, "the input is no msgpack map with an array '" + name + "'");
            }
            if (!map.containsKey(name)) {
                return null;
            }
            found = map.get(name);
        }
        String what = name == null ? "the input" : "array '" + name + "'";
        if (!(found instanceof TypedArray array)) {
            throw new ZcxException(Status.EINVAL, what + " is no array");
        }
        if (dtypes != null && !Arrays.asList(dtypes.split(" ")).contains(array.dtype())) {
            throw new ZcxException(Status.EINVAL, what + " has dtype " + array.dtype()
                    + "; this calculator reads " + dtypes);
        }
        return array;
    }

    // ---- the answer

    private long begin(long size, Envelope envelope) {
        check();
        if (answer != null) {
            throw fail("it answered twice; a call has one answer");
        }
        long address = Native.callOutput(call, size);
        answer = envelope;
        length = size;
        return address;
    }

    /** Memory for an answer that is one array in C order, not zeroed. */
    public LoanBuffer answerArray(String dtype, long... shape) {
        return output(Dtype.nbytes(dtype, shape), Envelope.numpy(dtype, shape));
    }

    /** An array of the same dtype, shape and order as another. */
    public LoanBuffer answerLike(TypedArray array) {
        return output(array.nbytes(), Envelope.numpy(array.dtype(), array.shape(), array.order()));
    }

    /** A map of arrays: the memory of each, in C order. */
    public LoanBuffer[] answerMap(Column... columns) {
        Map<String, Object> map = new LinkedHashMap<>();
        LoanBuffer[] out = new LoanBuffer[columns.length];
        for (int i = 0; i < columns.length; i++) {
            Column column = columns[i];
            map.put(column.name, new Packer.Space(column.dtype, column.shape, out, i));
        }
        Packer.write(map, this::map);
        return out;
    }

    private Packer.Target map(long size) {
        long address = begin(size, Envelope.of(Format.MSGPACK));
        return new Packer.Target(address, lend(address, size));
    }

    /** Any value, as {@link Store#put} takes it: msgpack, or raw, or numpy; copied. */
    public void answer(Object value) {
        answer(value, null);
    }

    public void answer(Object value, Envelope envelope) {
        Encoded encoded = new Encoded(value, envelope);
        encoded.writeTo(begin(encoded.size, encoded.envelope));
    }

    /** Memory for a payload of any format; all of it is sent. */
    public LoanBuffer output(long size, Envelope envelope) {
        return lend(begin(size, envelope), size);
    }

    private LoanBuffer lend(long address, long size) {
        LoanBuffer out = new LoanBuffer(address, size);
        lent.add(out);
        return out;
    }

    /** After answerArray(): keeps the first `rows` of the first dimension. */
    public void answerRows(long rows) {
        check();
        long[] shape = answer == null ? new long[0] : answer.shape();
        if (shape.length == 0 || answer.order() != 'C' || rows < 0 || rows > shape[0]) {
            throw fail("it keeps " + rows + " rows of an answer that does not have them");
        }
        length = shape[0] == 0 ? 0 : length / shape[0] * rows;
        shape[0] = rows;
        answer = Envelope.numpy(answer.dtype(), shape);
    }
}
