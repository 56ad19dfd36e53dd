package io.zcx;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Makes the objects of a msgpack payload; called by unpack.c, with offsets into the payload. */
final class Unpacker {
    private static final int TRUSTED = 1024; // items to make room for before they are seen

    private final Memory memory;

    Unpacker(Memory memory) {
        this.memory = memory;
    }

    Object read(long address) {
        return or(Native.unpack(address, memory.length, this));
    }

    /** C has no null to hand on: this class stands for it. */
    private static Object or(Object made) {
        return made == Unpacker.class ? null : made;
    }

    Object bool(boolean value) {
        return value;
    }

    Object integer(long value) {
        return value;
    }

    Object unsigned(long value) {
        return new BigInteger(Long.toUnsignedString(value));
    }

    Object real(double value) {
        return value;
    }

    Object text(long offset, long length) {
        return memory.text(offset, length);
    }

    Object bin(long offset, long length) {
        return memory.slice(offset, length);
    }

    Object list(long items) {
        return new ArrayList<>((int) Math.min(items, TRUSTED));
    }

    Object map(long pairs) {
        return new LinkedHashMap<>((int) Math.min(pairs * 4 / 3 + 1, TRUSTED));
    }

    Object array(byte[] dtype, long[] shape, char order, long offset, long nbytes) {
        return new TypedArray(Native.text(dtype), shape, order, memory, offset, nbytes);
    }

    Object extension(byte type, long offset, long length) {
        ByteBuffer data = memory.slice(offset, length);
        return new Extension(type, data);
    }

    @SuppressWarnings("unchecked")
    void add(Object list, Object item) {
        ((List<Object>) list).add(or(item));
    }

    @SuppressWarnings("unchecked")
    void put(Object map, Object key, Object value) {
        ((Map<Object, Object>) map).put(or(key), or(value));
    }
}
