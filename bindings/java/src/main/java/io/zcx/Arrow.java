package io.zcx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import org.apache.arrow.flatbuf.MessageHeader;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.ForeignAllocation;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.DictionaryProvider;
import org.apache.arrow.vector.ipc.ArrowReader;
import org.apache.arrow.vector.ipc.ArrowStreamWriter;
import org.apache.arrow.vector.ipc.ReadChannel;
import org.apache.arrow.vector.ipc.message.MessageMetadataResult;
import org.apache.arrow.vector.ipc.message.MessageSerializer;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * Arrow streams in a store, for who has arrow-vector on the class path and runs Java with
 * {@code --add-opens=java.base/java.nio=ALL-UNNAMED}.
 */
public final class Arrow {
    private Arrow() {}

    /** Publishes the root's rows as a stream of one batch. `dictionaries` is nullable. */
    public static long put(Store store, String key, VectorSchemaRoot root, DictionaryProvider dictionaries) {
        Counter counter = new Counter();
        write(root, dictionaries, counter);
        try (Loan loan = store.loan(counter.bytes)) {
            loan.fill(buffer -> write(root, dictionaries, buffer.channel()));
            return loan.publish(key, Envelope.of(Format.ARROW));
        }
    }

    private static void write(VectorSchemaRoot root, DictionaryProvider dictionaries, WritableByteChannel to) {
        try (ArrowStreamWriter writer = new ArrowStreamWriter(root, dictionaries, to)) {
            writer.start();
            writer.writeBatch();
            writer.end();
        } catch (IOException error) {
            throw new ZcxException(Status.EINVAL, "the vectors cannot be written: " + error.getMessage());
        }
    }

    private static final class Counter implements WritableByteChannel {
        private long bytes;

        @Override
        public int write(ByteBuffer source) {
            int length = source.remaining();
            source.position(source.limit());
            bytes += length;
            return length;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }

    /**
     * Reads a stream where it lies: its vectors' buffers are the payload's, which they hold. What is
     * not a whole stream is ECORRUPT, here or at the batch that is wrong. At most 2 GiB.
     */
    public static ArrowReader read(Payload payload, BufferAllocator allocator) {
        return new Reader(payload.buffer(), allocator);
    }

    private static ZcxException corrupt(String why) {
        return new ZcxException(Status.ECORRUPT, "the payload is no whole Arrow stream: " + why);
    }

    private static final class Reader extends ArrowReader {
        private static final int END = 8; // bytes of the end-of-stream marker: FF FF FF FF 00 00 00 00

        private final ByteBuffer bytes; // its position is the stream's
        private final ReadChannel in;
        private ArrowBuf whole; // the payload, as Arrow sees it; null before a body was needed

        Reader(ByteBuffer bytes, BufferAllocator allocator) {
            super(allocator);
            this.bytes = bytes;
            this.in = new ReadChannel(new Source(bytes));
        }

        private interface Step<T> {
            T run() throws IOException;
        }

        /** Metadata comes from anywhere: whatever it makes Arrow throw says that it is wrong. */
        private static <T> T checked(Step<T> step) {
            try {
                return step.run();
            } catch (IOException | IndexOutOfBoundsException | IllegalArgumentException
                    | IllegalStateException | NullPointerException | UnsupportedOperationException error) {
                throw corrupt(error.toString());
            }
        }

        private MessageMetadataResult message() throws IOException {
            MessageMetadataResult message = MessageSerializer.readMessage(in);
            int at = bytes.position();
            if (message == null && (at < END || bytes.getLong(at - END) != 0xffffffffL)) {
                throw corrupt("it ends without its end-of-stream marker");
            }
            return message;
        }

        @Override
        protected Schema readSchema() {
            return checked(() -> {
                MessageMetadataResult message = message();
                if (message == null || message.headerType() != MessageHeader.Schema) {
                    throw corrupt("it does not begin with a schema");
                }
                return MessageSerializer.deserializeSchema(message.getMessage());
            });
        }

        @Override
        public boolean loadNextBatch() throws IOException {
            prepareLoadNextBatch();
            return checked(() -> {
                for (;;) {
                    MessageMetadataResult message = message();
                    if (message == null) {
                        return false;
                    }
                    ArrowBuf body = body(message.getMessageBodyLength());
                    if (message.headerType() == MessageHeader.DictionaryBatch) {
                        loadDictionary(MessageSerializer.deserializeDictionaryBatch(message.getMessage(), body));
                    } else if (message.headerType() == MessageHeader.RecordBatch) {
                        loadRecordBatch(MessageSerializer.deserializeRecordBatch(message.getMessage(), body));
                        return true;
                    } else {
                        throw corrupt("it has a message of type " + message.headerType() + " among its batches");
                    }
                }
            });
        }

        private ArrowBuf body(long length) {
            if (length < 0 || length > bytes.remaining()) {
                throw corrupt("a batch has " + length + " bytes, " + bytes.remaining() + " are left");
            }
            if (whole == null) {
                whole = allocator.wrapForeignAllocation(new Held(bytes));
            }
            ArrowBuf body = whole.slice(bytes.position(), length);
            body.getReferenceManager().retain(); // who reads a batch releases its body
            bytes.position(bytes.position() + (int) length);
            return body;
        }

        @Override
        public long bytesRead() {
            return bytes.position();
        }

        @Override
        protected void closeReadSource() {
            if (whole != null) {
                whole.close();
            }
        }
    }

    /** As long as Arrow has this, it has the buffer, and the buffer the payload. */
    private static final class Held extends ForeignAllocation {
        private final ByteBuffer bytes;

        Held(ByteBuffer bytes) {
            super(bytes.capacity(), Native.addressOf(bytes));
            this.bytes = bytes;
        }

        @Override
        protected void release0() {
            java.lang.ref.Reference.reachabilityFence(bytes);
        }
    }

    private record Source(ByteBuffer bytes) implements ReadableByteChannel {
        @Override
        public int read(ByteBuffer to) {
            int length = Math.min(to.remaining(), bytes.remaining());
            if (length == 0) {
                return to.hasRemaining() ? -1 : 0;
            }
            to.put(bytes.slice(bytes.position(), length));
            bytes.position(bytes.position() + length);
            return length;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }
}
