//! Ranks groups by their mean, the largest first.
//!
//! Input: what `group_delays` answers: a msgpack map with arrays `group` (byte strings), `count`
//! (`<i8`) and `mean` (`<f8`), one row a group.
//!
//! Output: a msgpack map of the same three arrays, in descending order of `mean`; groups without a
//! mean, or of too small a count, are left out.
//!
//! | option | default | |
//! |---|---|---|
//! | `least` | 1 | the smallest count that is ranked |
use zcx_plugin::{export, Calculator, Call, Column, Options, Result};

export!("rank", Rank);

struct Rank {
    least: i64,
}

const GROUPS: &str = "|S1 |S2 |S3 |S4 |S5 |S6 |S7 |S8";

impl Calculator for Rank {
    fn create(options: &Options) -> Result<Self> {
        Ok(Rank { least: options.number("least", 1.0)? as i64 })
    }

    fn calculate(&self, call: &Call) -> Result<()> {
        let group = call.array(Some("group"), GROUPS)?;
        let (count, mean) = (call.slice::<i64>(Some("count"))?, call.slice::<f64>(Some("mean"))?);
        if group.len() as usize != count.len() || count.len() != mean.len() {
            let why =
                format!("{} groups, {} counts and {} means", group.len(), count.len(), mean.len());
            return Err(why.into());
        }
        let mut order: Vec<usize> =
            (0..mean.len()).filter(|&i| count[i] >= self.least && !mean[i].is_nan()).collect();
        order.sort_by(|&a, &b| mean[b].total_cmp(&mean[a]));

        let rows = &[order.len() as u64];
        let mut columns = call.answer_map(&[
            Column { name: "group", dtype: group.dtype(), shape: rows },
            Column::of::<i64>("count", rows),
            Column::of::<f64>("mean", rows),
        ])?;
        let groups = columns.take_bytes(0)?;
        let (counts, means) = (columns.take::<i64>(1)?, columns.take::<f64>(2)?);
        let size = group.bytes().len() / count.len().max(1);
        for (to, &from) in order.iter().enumerate() {
            groups[to * size..][..size].copy_from_slice(&group.bytes()[from * size..][..size]);
            (counts[to], means[to]) = (count[from], mean[from]);
        }
        Ok(())
    }
}
