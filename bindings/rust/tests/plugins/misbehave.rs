//! A calculator that does what its option `how` says.
use zcx_plugin::{export, Calculator, Call, Column, Options, Result};

export!("misbehave", Misbehave);

struct Misbehave {
    how: String,
}

impl Calculator for Misbehave {
    fn create(options: &Options) -> Result<Self> {
        let how = options.string("how", "")?;
        match how.as_str() {
            "create fails" => Err("it does not want to".into()),
            "create panics" => panic!("it cannot"),
            _ => Ok(Misbehave { how }),
        }
    }

    fn calculate(&self, call: &Call) -> Result<()> {
        match self.how.as_str() {
            "panic" => panic!("at {} bytes, 100% of %s", call.input().data.len()),
            "panic with a number" => std::panic::panic_any(7),
            "index" => {
                let beyond = call.input().data.len();
                call.output(1)?[0] = call.input().data[beyond];
            }
            "fail" => return Err("it cannot do %s and %n".into()),
            "parse" => drop("x".parse::<f64>()?),
            "answer twice" => {
                call.answer_array::<f64>(&[1])?;
                call.answer_array::<f64>(&[1])?;
            }
            "wrong type" => drop(call.slice::<i16>(None)?),
            "rows" => {
                call.answer_array::<i32>(&[3, 2])?.copy_from_slice(&[1, 2, 3, 4, 5, 6]);
                call.answer_rows(2)?;
            }
            "too many rows" => {
                call.answer_array::<i32>(&[3, 2])?;
                call.answer_rows(4)?;
            }
            "shout" => {
                let text = std::str::from_utf8(call.input().data)?.to_uppercase();
                call.output(1000)?[..text.len()].copy_from_slice(text.as_bytes());
                call.answer(text.len() as u64, call.input().format)?;
            }
            "columns" => {
                let shape = [2];
                let column = Column { name: "t", dtype: "<M8[ns]", shape: &shape };
                let mut columns = call.answer_map(&[column, Column::of::<u8>("u", &shape)])?;
                assert!(columns.take::<f64>(0).is_err(), "dtypes are compared");
                columns.take::<i64>(0)?.copy_from_slice(&[5, 6]);
                assert!(columns.take::<i64>(0).is_err(), "a column is taken once");
                assert!(columns.take_bytes(2).is_err(), "there are two");
                columns.take_bytes(1)?.copy_from_slice(&[7, 8]);
            }
            "optional" => {
                let there = call.optional_array("there", "")?.is_some();
                let missing = call.optional_array("missing", "")?.is_some();
                call.answer_array::<u8>(&[2])?.copy_from_slice(&[there.into(), missing.into()]);
            }
            "too large" => drop(call.answer_array::<f64>(&[1 << 40, 1 << 40])?),
            "no such dtype" => drop(call.answer_array_of("<q9", &[1])?),
            _ => {}
        }
        Ok(())
    }
}

impl Drop for Misbehave {
    fn drop(&mut self) {
        if self.how == "drop panics" {
            panic!("nobody hears this");
        }
    }
}
