package io.zcx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;

/** The vectors that are references: read, and written and read again in both encodings. */
final class VectorReferences {
    private VectorReferences() {}

    @SuppressWarnings("unchecked")
    private static Map<String, Object> written(Reference reference) {
        Map<String, Object> out = (Map<String, Object>) Json.parse(reference.json());
        out.computeIfPresent("_lmdb_data",
                (name, text) -> HexFormat.of().formatHex(Base64.getDecoder().decode((String) text)));
        return out;
    }

    static void replay(Map<String, Object> about) throws Exception {
        byte[] content = Files.readAllBytes(TestStores.file("protocol/vectors/" + about.get("file")));
        Reference found;
        try {
            found = about.get("kind").equals("reference-json") ? Reference.parseJson(content) : Reference.parse(content);
        } catch (ZcxException error) {
            assertEquals(about.get("status"), error.status().name(), error.getMessage());
            assertTrue(error.getMessage().startsWith("the reference"), error.getMessage());
            return;
        }
        assertEquals("OK", about.get("status"));
        assertEquals(about.get("expect"), written(found));
        assertEquals(about.get("expect"), written(Reference.parse(found.msgpack())));
        assertEquals(about.get("expect"), written(Reference.parse(found.json())));
    }
}
