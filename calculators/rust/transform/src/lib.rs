//! Transforms an array into one of the same dtype, shape and order, built where it will be read.
//!
//! Input: an array of f8 or f4 (a NumPy payload, or a msgpack map with one under `array`). NaN is a
//! missing value: it stays NaN, and no other value is computed from it.
//!
//! Options:
//!
//! | option | default | |
//! |---|---|---|
//! | `operation` | `standardise` | `(x - mean) / std` of all values; 0 everywhere if they are all equal |
//! | | `clip` | into `[low, high]` |
//! | | `rolling_mean` | mean of the value and the `window - 1` before it; one dimension; NaN only where the whole window is missing |
//! | `low`, `high` | -infinity, infinity | |
//! | `window` | 7 | |
//! | `array` | none | name of the array in a msgpack map |
use zcx_plugin::{export, Calculator, Call, Options, Pod, Result};

export!("transform", Transform);

struct Transform {
    operation: Operation,
    array: Option<String>,
}

enum Operation {
    Standardise,
    Clip { low: f64, high: f64 },
    RollingMean { window: usize },
}

impl Calculator for Transform {
    fn create(options: &Options) -> Result<Self> {
        let low = options.number("low", f64::NEG_INFINITY)?;
        let high = options.number("high", f64::INFINITY)?;
        if low.is_nan() || high.is_nan() || low > high {
            return Err(
                format!("option 'low' is {low}; allowed: at most 'high', which is {high}").into()
            );
        }
        let window = options.number("window", 7.0)?;
        if !(1.0..=1e9).contains(&window) || window.fract() != 0.0 {
            let allowed = "allowed: a whole number from 1 to 1e9";
            return Err(format!("option 'window' is {window}; {allowed}").into());
        }
        let operation = match options.string("operation", "standardise")?.as_str() {
            "standardise" => Operation::Standardise,
            "clip" => Operation::Clip { low, high },
            "rolling_mean" => Operation::RollingMean { window: window as usize },
            other => {
                let allowed = "allowed: standardise, clip, rolling_mean";
                return Err(format!("option 'operation' is \"{other}\"; {allowed}").into());
            }
        };
        Ok(Transform { operation, array: options.optional_string("array")? })
    }

    fn calculate(&self, call: &Call) -> Result<()> {
        match call.array(self.array.as_deref(), "<f8 <f4")?.dtype() {
            "<f8" => self.transform::<f64>(call),
            _ => self.transform::<f32>(call),
        }
    }
}

impl Transform {
    fn transform<T: Float>(&self, call: &Call) -> Result<()> {
        let array = call.array(self.array.as_deref(), T::DTYPE)?;
        let (from, to) = (array.slice::<T>()?, call.answer_like::<T>(&array)?);
        match self.operation {
            Operation::Standardise => standardise(to, from),
            Operation::Clip { low, high } => clip(to, from, low, high),
            Operation::RollingMean { window } => {
                let dimensions = array.shape().len();
                if dimensions != 1 {
                    let why =
                        format!("operation 'rolling_mean' needs one dimension, not {dimensions}");
                    return Err(why.into());
                }
                rolling_mean(to, from, window);
            }
        }
        Ok(())
    }
}

/// A float of either size; sums are always of doubles.
trait Float: Pod + PartialOrd {
    fn to_f64(self) -> f64;
    fn from_f64(value: f64) -> Self;
}

impl Float for f64 {
    fn to_f64(self) -> f64 {
        self
    }

    fn from_f64(value: f64) -> f64 {
        value
    }
}

impl Float for f32 {
    fn to_f64(self) -> f64 {
        self.into()
    }

    fn from_f64(value: f64) -> f32 {
        value as f32
    }
}

/// Two passes; the second also corrects what the first one lost by rounding.
fn standardise<T: Float>(to: &mut [T], from: &[T]) {
    let there = || from.iter().map(|x| x.to_f64()).filter(|x| !x.is_nan());
    let (mut sum, mut count) = (0.0, 0.0);
    for x in there() {
        sum += x;
        count += 1.0;
    }
    let mut mean = sum / count;
    let (mut off, mut squares) = (0.0, 0.0);
    for x in there() {
        let d = x - mean;
        off += d;
        squares += d * d;
    }
    let variance = (squares - off * off / count) / count;
    mean += off / count;
    let scale = if variance > 0.0 { 1.0 / variance.sqrt() } else { 0.0 };
    for (to, from) in to.iter_mut().zip(from) {
        let x = from.to_f64();
        *to = if x.is_nan() { *from } else { T::from_f64((x - mean) * scale) };
    }
}

fn clip<T: Float>(to: &mut [T], from: &[T], low: f64, high: f64) {
    for (to, from) in to.iter_mut().zip(from) {
        let x = from.to_f64();
        *to = if x < low {
            T::from_f64(low)
        } else if x > high {
            T::from_f64(high)
        } else {
            *from
        };
    }
}

/// Sums are only ever added to, never subtracted from, so nothing drifts and an infinity spoils no
/// later window: a window is the rest of one block of `window` values and the beginning of the next.
fn rolling_mean<T: Float>(to: &mut [T], from: &[T], window: usize) {
    let window = window.min(from.len()).max(1);
    // Sum and count of the last block's values from k on.
    let mut rest = vec![(0.0, 0u64); window + 1];
    for (to, from) in to.chunks_mut(window).zip(from.chunks(window)) {
        let (mut sum, mut there) = (0.0, 0);
        for (k, x) in from.iter().map(|x| x.to_f64()).enumerate() {
            if !x.is_nan() {
                sum += x;
                there += 1;
            }
            let (rest_sum, rest_count) = rest[k + 1];
            let count = there + rest_count;
            let mean = if count > 0 { (sum + rest_sum) / count as f64 } else { f64::NAN };
            to[k] = T::from_f64(mean);
        }
        if from.len() < window {
            break;
        }
        for k in (0..window).rev() {
            let (sum, count) = rest[k + 1];
            let x = from[k].to_f64();
            rest[k] = if x.is_nan() { (sum, count) } else { (sum + x, count + 1) };
        }
    }
}
