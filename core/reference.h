/* References: the maps that travel instead of payloads (protocol/SPEC.md). The public part is in
 * zcx_calculator.h; reference.c is what a reference is, and its msgpack; reference_json.c its JSON.
 */
#ifndef ZCXI_REFERENCE_H
#define ZCXI_REFERENCE_H

#include "error.h"

#define ZCXI_REFERENCE_FIELDS 6 /* of text; see zcx_reference_field */
#define ZCXI_CALL_ID 17         /* 16 hex digits and the NUL */

struct zcx_reference {
    char *text[ZCXI_REFERENCE_FIELDS]; /* NULL: not there */
    void *data;                        /* _lmdb_data; NULL: not there */
    uint64_t length;
    bool ref;                  /* _lmdb_ref is there, and true */
    bool has_written, written; /* _lmdb_output_written is there; is true */
    size_t used;
    char room[480]; /* the texts lie here as long as they fit: an allocation each costs more */
};

enum zcxi_reference_flag { ZCXI_REFERENCE_REF, ZCXI_REFERENCE_WRITTEN };

/* The protocol's names; the last three are no text fields. */
extern const char *const zcxi_reference_names[ZCXI_REFERENCE_FIELDS];
#define ZCXI_NAME_REF "_lmdb_ref"
#define ZCXI_NAME_WRITTEN "_lmdb_output_written"
#define ZCXI_NAME_DATA "_lmdb_data"

/* A new reference of these texts (copied; NULL: not there) and payload (copied; NULL: none).
 * `written`: it is an answer. */
zcx_status zcxi_reference_make(zcx_reference **out, const char *const text[ZCXI_REFERENCE_FIELDS],
                               const void *data, uint64_t length, bool written, zcx_error *error);

/* An empty one; NULL: no memory. */
zcx_reference *zcxi_reference_new(void);

/* Can a reference name this key: UTF-8 text without NUL? */
bool zcxi_reference_can_name(const void *key, size_t key_length);

/* For the readers of both encodings: one checked field, its text copied. */
zcx_status zcxi_reference_set_text(zcx_reference *reference, int field, const void *text,
                                   size_t length, zcx_error *error);
zcx_status zcxi_reference_set_flag(zcx_reference *reference, enum zcxi_reference_flag flag,
                                   bool value, zcx_error *error);
zcx_status zcxi_reference_wrong_type(const char *name, const char *wanted, zcx_error *error);

/* The JSON encoding; as the public calls, without the last check. */
zcx_status zcxi_reference_from_json(zcx_reference *reference, const void *data, uint64_t length,
                                    zcx_error *error);
zcx_status zcxi_reference_to_json(uint64_t *length, const zcx_reference *reference, void *buffer,
                                  uint64_t capacity, zcx_error *error);
bool zcxi_reference_is_json(const void *data, uint64_t length);

#endif
