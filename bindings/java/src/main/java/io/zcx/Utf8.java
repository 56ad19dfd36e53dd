package io.zcx;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** Text that is what it claims to be. */
final class Utf8 {
    private Utf8() {}

    /** ECORRUPT when it is no UTF-8. */
    static String text(ByteBuffer bytes) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
        } catch (CharacterCodingException error) {
            throw new ZcxException(Status.ECORRUPT, "a text is no UTF-8: " + error.getMessage());
        }
    }

    /** EINVAL when it is half a surrogate pair. */
    static byte[] bytes(String text) {
        try {
            ByteBuffer out = StandardCharsets.UTF_8.newEncoder().encode(java.nio.CharBuffer.wrap(text));
            byte[] bytes = new byte[out.remaining()];
            out.get(bytes);
            return bytes;
        } catch (CharacterCodingException error) {
            throw new ZcxException(Status.EINVAL, "a text is no Unicode: " + error.getMessage());
        }
    }
}
