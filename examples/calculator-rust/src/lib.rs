use zcx_plugin::{Calculator, Call, Options, Result};

struct Scale {
    factor: f64,
}

impl Calculator for Scale {
    fn create(options: &Options) -> Result<Self> {
        Ok(Scale { factor: options.number("factor", 2.0)? })
    }

    fn calculate(&self, call: &Call) -> Result<()> {
        let input = call.array(None, "<f8")?;
        let output = call.answer_like::<f64>(&input)?;
        for (to, from) in output.iter_mut().zip(input.slice::<f64>()?) {
            *to = self.factor * from;
        }
        Ok(())
    }
}

zcx_plugin::export!("scale", Scale);
