//! zcx-sys and zcx-plugin against the C headers: every function, struct, constant and status.
use std::collections::BTreeSet;
use std::fs;
use std::mem::{size_of, MaybeUninit};
use std::path::Path;
use std::process::Command;
use std::ptr::addr_of;
use zcx_plugin::abi;
use zcx_sys::*;
use zcx_tests::place::Place;
use zcx_tests::source;

fn headers() -> String {
    let read = |name| fs::read_to_string(source().join("core/include").join(name)).unwrap();
    ["zcx.h", "zcx_msgpack.h", "zcx_calculator.h"].map(read).concat()
}

fn declarations() -> String {
    let read = |name| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zcx-sys/src").join(name);
        fs::read_to_string(path).unwrap()
    };
    ["status.rs", "store.rs", "msgpack.rs", "calculator.rs"].map(read).concat()
}

#[test]
fn every_function_is_declared_with_as_many_arguments() {
    let mut declared = BTreeSet::new();
    for item in headers().split(';') {
        if let Some(start) = item.rfind("ZCX_API") {
            let prototype = &item[start..];
            let open = prototype.find('(').unwrap();
            let name = prototype[..open].rsplit([' ', '*'].as_ref()).next().unwrap().to_owned();
            let inner = &prototype[open..];
            let count =
                if inner.starts_with("(void)") { 0 } else { inner.matches(',').count() + 1 };
            if name.starts_with("zcx_") {
                declared.insert((name, count)); // else it is the macro ZCX_API itself
            }
        }
    }
    let mut bound = BTreeSet::new();
    for item in declarations().split("pub fn ").skip(1) {
        let (name, rest) = item.split_once('(').unwrap();
        let inner = rest[..rest.find(')').unwrap()].trim().trim_end_matches(',');
        bound.insert((name.to_owned(), inner.split(',').filter(|a| !a.trim().is_empty()).count()));
    }
    assert!(bound.len() > 80);
    assert_eq!(bound, declared);
}

#[test]
fn every_status_is_an_error() {
    let mut table = Vec::new();
    for row in headers().split("    X(").skip(1) {
        let mut cells = row.split(", ");
        let number: u32 = cells.next().unwrap().parse().unwrap();
        table.push((format!("ZCX_{}", cells.next().unwrap()), number));
    }
    assert_eq!(table.remove(0), ("ZCX_OK".into(), ZCX_OK));
    let known: Vec<_> =
        zcx::Error::STATUSES.iter().map(|(name, number)| (name.to_string(), *number)).collect();
    assert_eq!(known, table);
}

/// The offsets of fields, and the size of their struct.
macro_rules! layout {
    ($c:literal, $type:ty: $($field:ident),*) => {{
        let room = MaybeUninit::<$type>::uninit();
        let base = room.as_ptr();
        let mut offsets = Vec::new();
        $(
            // SAFETY: the address of a field of what is there; nothing is read.
            let at = unsafe { addr_of!((*base).$field) } as usize;
            offsets.push((stringify!($field).trim_start_matches("r#"), at - base as usize));
        )*
        ($c, size_of::<$type>(), offsets)
    }};
}

type Layout = (&'static str, usize, Vec<(&'static str, usize)>);

fn layouts() -> Vec<Layout> {
    vec![
        layout!("zcx_error", zcx_error: status, cause, message),
        layout!("zcx_envelope", zcx_envelope: struct_size, format, flags, ttl_ms, source, target,
            content_type, dtype, shape, ndim, order, in_slot, slot, generation, checksum, length,
            transaction, created, expires),
        layout!("zcx_store_options", zcx_store_options: struct_size, database, budget, map_size,
            durability, max_readers, flags, lock_timeout_ms, group),
        layout!("zcx_scan_options", zcx_scan_options: struct_size, prefix, prefix_length, from,
            from_length, to, to_length, limit, flags),
        layout!("zcx_array", zcx_array: struct_size, dtype, shape, ndim, order, nbytes, data),
        layout!("zcx_builder", zcx_builder: struct_size, nil, boolean, integer, unsigned_integer,
            real, str, bin, list, add, map, set, array, extension, drop),
        layout!("zcx_typed", abi::Typed: dtype, shape, ndim, order, count, nbytes, data),
        layout!("zcx_input", abi::Input: data, length, format, content_type),
        layout!("zcx_column", abi::Column: name, dtype, ndim, shape),
        layout!("zcx_core", abi::Core: struct_size, abi_version, version, option_string,
            option_number, option_bool, option_numbers, options_json, options_fail, input, array,
            optional_array, answer_array, answer_like, answer_map, output, answer, answer_rows,
            fail),
        layout!("struct zcx_plugin", abi::Plugin: struct_size, abi_version, flags, name, create,
            calculate, destroy),
    ]
}

/// The constants that zcx-sys declares, as C sees them: their names and values.
fn constants() -> Vec<(String, i128)> {
    let mut found = Vec::new();
    for item in declarations().split("pub const ").skip(1) {
        let (name, rest) = item.split_once(':').unwrap();
        let value = rest.split_once("= ").unwrap().1.split_once(';').unwrap().0.replace('_', "");
        let value = value.split(" - ").map(|number| match number.strip_prefix("0x") {
            Some(digits) => i128::from_str_radix(digits, 16).unwrap(),
            None => number.parse().unwrap(),
        });
        found.push((name.to_owned(), value.reduce(|a, b| a - b).unwrap()));
    }
    found
}

#[test]
fn structs_and_constants_are_as_the_c_compiler_has_them() {
    let mut program = String::from("#include <stddef.h>\n#include <zcx.h>\n");
    for (name, size, fields) in layouts() {
        program += &format!("_Static_assert(sizeof({name}) == {size}, \"size of {name}\");\n");
        for (field, offset) in fields {
            let what = format!("offsetof({name}, {field}) == {offset}");
            program += &format!("_Static_assert({what}, \"{name}.{field}\");\n");
        }
    }
    assert!(constants().len() > 50);
    for (name, value) in constants() {
        program += &format!("_Static_assert({name} == {value}, \"{name}\");\n");
    }
    for (name, value) in [("ABI", abi::ZCX_PLUGIN_ABI), ("THREADS", abi::ZCX_PLUGIN_THREADS)] {
        program += &format!("_Static_assert(ZCX_PLUGIN_{name} == {value}, \"{name}\");\n");
    }
    let place = Place::new();
    let file = place.path().join("layout.c");
    fs::write(&file, program).unwrap();
    let compiled = Command::new("cc")
        .args(["-std=c11", "-fsyntax-only", "-I"])
        .arg(source().join("core/include"))
        .arg(&file)
        .output()
        .expect("cc");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
}

#[test]
fn the_crates_have_the_version_of_zcx() {
    let version = fs::read_to_string(source().join("VERSION")).unwrap();
    let rust = source().join("bindings/rust");
    for name in ["zcx-sys", "zcx-plugin", "zcx", "zcx-serde", "zcx-arrow"] {
        let manifest = fs::read_to_string(rust.join(name).join("Cargo.toml")).unwrap();
        assert!(manifest.contains(&format!("version = \"{}\"\n", version.trim())), "{name}");
    }
    assert_eq!(zcx::version(), version.trim());
}

#[test]
fn the_crates_need_nothing_of_a_registry() {
    let lock = fs::read_to_string(source().join("bindings/rust/Cargo.lock")).unwrap();
    assert!(!lock.contains("source = "), "{lock}");
    assert!(lock.contains("\nversion = 3\n"), "cargo 1.65 reads no later version");
}
