//! Mean, spread and quantiles of doubles that have no NaN among them.

#[derive(Clone, Copy, Debug)]
pub struct Summary {
    pub mean: f64,
    pub std: f64,
    pub min: f64,
    pub max: f64,
}

impl Summary {
    /// Two passes; the second also corrects what the first one lost by rounding.
    pub fn of(x: &[f64]) -> Summary {
        let nan = f64::NAN;
        if x.is_empty() {
            return Summary { mean: nan, std: nan, min: nan, max: nan };
        }
        let mut of = Summary { mean: nan, std: nan, min: x[0], max: x[0] };
        let mut sum = 0.0;
        for &x in x {
            sum += x;
            of.min = if x < of.min { x } else { of.min };
            of.max = if x > of.max { x } else { of.max };
        }
        let count = x.len() as f64;
        of.mean = sum / count;
        if !of.mean.is_finite() {
            return of;
        }
        let (mut off, mut squares) = (0.0, 0.0);
        for x in x {
            let d = x - of.mean;
            off += d;
            squares += d * d;
        }
        of.mean += off / count;
        if x.len() > 1 {
            of.std = ((squares - off * off / count) / (count - 1.0)).sqrt();
        }
        of
    }
}

/// `x` is reordered; the wanted quantiles ascend, so each search begins where the last one ended.
pub fn quantiles(out: &mut [f64], x: &mut [f64], wanted: &[f64]) {
    let order = |a: &f64, b: &f64| a.partial_cmp(b).expect("no NaN");
    let mut from = 0;
    for (out, &quantile) in out.iter_mut().zip(wanted) {
        if x.is_empty() {
            *out = f64::NAN;
            continue;
        }
        let position = quantile * (x.len() - 1) as f64;
        let (k, part) = (position as usize, position.fract());
        x[from..].select_nth_unstable_by(k - from, order);
        from = k;
        *out = x[k];
        if part > 0.0 {
            let (_, &mut next, _) = x[k + 1..].select_nth_unstable_by(0, order);
            *out += part * (next - x[k]);
        }
    }
}
