// Usage: call <absolute path of libscale.so>
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let plugin = std::env::args().nth(1).ok_or("usage: call <absolute path of libscale.so>")?;
    let scale = zcx::Calculator::open(&format!(
        r#"{{"name": "scale", "calculator": "rust", "type": "scale", "plugin": "{plugin}",
            "options": {{"factor": 3}}, "lmdb_enabled": true}}"#
    ))?;
    let numbers = vec![14.0; 1_000_000];
    let answer = scale.calculate_array(&zcx::Array::of(&numbers, &[1_000_000]))?;
    let scaled = answer.slice::<f64>()?; // in the store
    println!("{} numbers, the last one is {}", scaled.len(), scaled[scaled.len() - 1]);
    Ok(())
}
