//! Statistics of delays by group.
//!
//! Input: a msgpack map with two arrays of one dimension and the same length: the groups (integers,
//! booleans, or byte strings of up to 8 bytes) and the delays (integers or floats; NaN is missing).
//!
//! Output: a msgpack map of arrays with one row per group, in ascending order of the groups:
//!
//! | array | |
//! |---|---|
//! | `group` | dtype of the input's |
//! | `count` | i8, delays that are there |
//! | `missing` | i8, delays that are not |
//! | `mean`, `std`, `min`, `max` | f8; std is the sample's (n - 1); NaN where there are too few delays |
//! | `quantiles` | f8, shape (groups, quantiles), interpolated linearly, as NumPy does by default |
//!
//! Options:
//!
//! | option | default | |
//! |---|---|---|
//! | `group` | `"group"` | name of the groups' array |
//! | `delay` | `"delay"` | name of the delays' array |
//! | `missing` | none | a delay of this value is missing, too |
//! | `quantiles` | `[0.25, 0.5, 0.75]` | ascending, 0 to 1, at most 16 |
mod statistics;

use statistics::{quantiles, Summary};
use std::collections::HashMap;
use zcx_plugin::{export, Array, Calculator, Call, Column, Options, Result};

export!("group_delays", GroupDelays);

const QUANTILES_MAX: usize = 16;
const GROUPS: &str = "|b1 |i1 |u1 <i2 <u2 <i4 <u4 <i8 <u8 |S1 |S2 |S3 |S4 |S5 |S6 |S7 |S8";
const DELAYS: &str = "<f8 <f4 |i1 |u1 <i2 <u2 <i4 <u4 <i8 <u8";

struct GroupDelays {
    group: String,
    delay: String,
    missing: f64, // NaN: none
    quantiles: Vec<f64>,
}

#[derive(Clone, Default)]
struct Group {
    key: u64, // of its rows, see Key::of
    missing: i64,
    delays: Vec<f64>, // those that are there
}

impl Calculator for GroupDelays {
    fn create(options: &Options) -> Result<Self> {
        let quantiles = options.numbers("quantiles", QUANTILES_MAX, &[0.25, 0.5, 0.75])?;
        let mut last = 0.0;
        for &quantile in &quantiles {
            if !(last..=1.0).contains(&quantile) {
                let allowed = "allowed: ascending numbers from 0 to 1";
                return Err(
                    format!("option 'quantiles' has {quantile} after {last}; {allowed}").into()
                );
            }
            last = quantile;
        }
        Ok(GroupDelays {
            group: options.string("group", "group")?,
            delay: options.string("delay", "delay")?,
            missing: options.number("missing", f64::NAN)?,
            quantiles,
        })
    }

    fn calculate(&self, call: &Call) -> Result<()> {
        let group = call.array(Some(&self.group), GROUPS)?;
        let delay = call.array(Some(&self.delay), DELAYS)?;
        let (dimensions, rows) = (group.shape().len(), group.len());
        if dimensions != 1 || delay.shape().len() != 1 || rows != delay.len() {
            return Err(format!(
                "'{}' and '{}' need one dimension and the same length, not {dimensions} and {} \
                 dimensions with {rows} and {} elements",
                self.group,
                self.delay,
                delay.shape().len(),
                delay.len()
            )
            .into());
        }
        let key = Key::of(group.dtype())?;
        self.answer(call, &group, key, self.gather(key, &group, &read_delays(&delay)?))
    }
}

impl GroupDelays {
    /// The groups in ascending order, each with its delays.
    fn gather(&self, key: Key, group: &Array, delays: &[f64]) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut numbers = HashMap::new();
        let mut number = 0;
        for (item, &delay) in group.bytes().chunks_exact(key.size).zip(delays) {
            let key = key.read(item);
            // Rows of a group often follow each other.
            if groups.get(number).map_or(true, |group| group.key != key) {
                number = *numbers.entry(key).or_insert(groups.len());
                if number == groups.len() {
                    groups.push(Group { key, ..Group::default() });
                }
            }
            if delay.is_nan() || delay == self.missing {
                groups[number].missing += 1;
            } else {
                groups[number].delays.push(delay);
            }
        }
        groups.sort_unstable_by_key(|group| group.key);
        groups
    }

    fn answer(&self, call: &Call, group: &Array, key: Key, groups: Vec<Group>) -> Result<()> {
        let shape = [groups.len() as u64, self.quantiles.len() as u64];
        let rows = &shape[..1];
        let mut columns = call.answer_map(&[
            Column { name: "group", dtype: group.dtype(), shape: rows },
            Column::of::<i64>("count", rows),
            Column::of::<i64>("missing", rows),
            Column::of::<f64>("mean", rows),
            Column::of::<f64>("std", rows),
            Column::of::<f64>("min", rows),
            Column::of::<f64>("max", rows),
            Column::of::<f64>("quantiles", &shape),
        ])?;
        let keys = columns.take_bytes(0)?;
        let (count, missing) = (columns.take::<i64>(1)?, columns.take::<i64>(2)?);
        let (mean, std) = (columns.take::<f64>(3)?, columns.take::<f64>(4)?);
        let (min, max) = (columns.take::<f64>(5)?, columns.take::<f64>(6)?);
        let quantile = columns.take::<f64>(7)?;
        for (i, mut group) in groups.into_iter().enumerate() {
            let of = Summary::of(&group.delays);
            key.write(group.key, &mut keys[i * key.size..][..key.size]);
            (count[i], missing[i]) = (group.delays.len() as i64, group.missing);
            (mean[i], std[i], min[i], max[i]) = (of.mean, of.std, of.min, of.max);
            let wanted = &self.quantiles;
            quantiles(&mut quantile[i * wanted.len()..][..wanted.len()], &mut group.delays, wanted);
        }
        Ok(())
    }
}

/// How a row's group is a number whose order is the groups' order: signed integers are shifted to
/// begin at 0, strings are read with their first byte as the highest.
#[derive(Clone, Copy)]
struct Key {
    kind: u8,
    size: usize,
}

impl Key {
    fn of(dtype: &str) -> Result<Key> {
        let [_, kind, size] = <[u8; 3]>::try_from(dtype.as_bytes())?;
        Ok(Key { kind, size: (size - b'0').into() })
    }

    fn sign(self) -> u64 {
        match self.kind {
            b'i' => 1 << (8 * self.size - 1),
            _ => 0,
        }
    }

    fn read(self, item: &[u8]) -> u64 {
        let mut bytes = [0; 8];
        bytes[..self.size].copy_from_slice(item);
        match self.kind {
            b'S' => u64::from_be_bytes(bytes),
            _ => u64::from_le_bytes(bytes) ^ self.sign(),
        }
    }

    fn write(self, key: u64, item: &mut [u8]) {
        let bytes = match self.kind {
            b'S' => key.to_be_bytes(),
            _ => (key ^ self.sign()).to_le_bytes(),
        };
        item.copy_from_slice(&bytes[..self.size]);
    }
}

fn read_delays(delay: &Array) -> Result<Vec<f64>> {
    macro_rules! read_as {
        ($($type:ty: $dtype:literal)*) => {
            match delay.dtype() {
                $($dtype => delay.slice::<$type>()?.iter().map(|&x| x as f64).collect(),)*
                other => return Err(format!("dtype {other} is no number").into()),
            }
        };
    }
    Ok(read_as! {
        f64: "<f8" f32: "<f4" i8: "|i1" u8: "|u1" i16: "<i2" u16: "<u2" i32: "<i4" u32: "<u4"
        i64: "<i8" u64: "<u8"
    })
}
