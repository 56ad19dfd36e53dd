package io.zcx;

import java.nio.ByteBuffer;

/** A msgpack extension that zcx gives no meaning to. */
public record Extension(byte type, ByteBuffer data) {}
