//! Puts records into a store that nobody has open, as any LMDB client could:
//!     stranger STORE MAP_SIZE FILE...       each file's bytes at its name
use std::ffi::CString;
use std::os::raw::{c_char, c_int, c_uint, c_void};
use std::ptr;

#[repr(C)]
struct Value {
    size: usize,
    data: *const c_void,
}

#[link(name = "lmdb")]
extern "C" {
    fn mdb_env_create(env: *mut *mut c_void) -> c_int;
    fn mdb_env_set_mapsize(env: *mut c_void, size: usize) -> c_int;
    fn mdb_env_set_maxdbs(env: *mut c_void, databases: c_uint) -> c_int;
    fn mdb_env_open(env: *mut c_void, path: *const c_char, flags: c_uint, mode: c_uint) -> c_int;
    fn mdb_txn_begin(e: *mut c_void, parent: *mut c_void, f: c_uint, t: *mut *mut c_void) -> c_int;
    fn mdb_dbi_open(t: *mut c_void, name: *const c_char, flags: c_uint, d: *mut c_uint) -> c_int;
    fn mdb_put(t: *mut c_void, d: c_uint, key: *const Value, v: *const Value, f: c_uint) -> c_int;
    fn mdb_txn_commit(transaction: *mut c_void) -> c_int;
    fn mdb_env_close(env: *mut c_void);
}

fn check(result: c_int) {
    assert_eq!(result, 0, "LMDB's code");
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().expect("STORE MAP_SIZE FILE...");
    let path = CString::new(next()).unwrap();
    let map_size = next().parse().unwrap();
    let (mut env, mut transaction, mut database) = (ptr::null_mut(), ptr::null_mut(), 0);
    let value = |bytes: &[u8]| Value { size: bytes.len(), data: bytes.as_ptr().cast() };
    // SAFETY: LMDB's calls in their order; every pointer is valid during its call.
    unsafe {
        check(mdb_env_create(&mut env));
        check(mdb_env_set_mapsize(env, map_size));
        check(mdb_env_set_maxdbs(env, 4));
        check(mdb_env_open(env, path.as_ptr(), 0, 0o600));
        check(mdb_txn_begin(env, ptr::null_mut(), 0, &mut transaction));
        check(mdb_dbi_open(transaction, b"default\0".as_ptr().cast(), 0, &mut database));
        for name in arguments {
            let record = std::fs::read(&name).unwrap();
            let (key, record) = (value(name.as_bytes()), value(&record));
            check(mdb_put(transaction, database, &key, &record, 0));
        }
        check(mdb_txn_commit(transaction));
        mdb_env_close(env);
    }
}
