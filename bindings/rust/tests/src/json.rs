//! A reader of JSON, for the index of the vectors and for payloads: RFC 8259, and nothing beyond it.

#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Int(i128),
    Real(f64),
    Text(String),
    List(Vec<Json>),
    /// Of equal names the last one counts.
    Map(Vec<(String, Json)>),
}

impl Json {
    /// The value of a name; null when there is none.
    pub fn get(&self, name: &str) -> &Json {
        match self {
            Json::Map(pairs) => {
                pairs.iter().find(|pair| pair.0 == name).map_or(&Json::Null, |pair| &pair.1)
            }
            _ => &Json::Null,
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Json::Text(text) => text,
            other => panic!("{other:?} is no text"),
        }
    }

    pub fn list(&self) -> &[Json] {
        match self {
            Json::List(items) => items,
            other => panic!("{other:?} is no list"),
        }
    }

    pub fn int(&self) -> i128 {
        match self {
            Json::Int(value) => *value,
            other => panic!("{other:?} is no integer"),
        }
    }
}

/// One text, which fills all of `bytes`; else where it is wrong.
pub fn parse(bytes: &[u8]) -> Result<Json, String> {
    let text = std::str::from_utf8(bytes).map_err(|why| why.to_string())?;
    let mut reader = Reader { text, at: 0 };
    let value = reader.value()?;
    reader.space();
    if reader.at < text.len() {
        return reader.wrong();
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn wrong<T>(&self) -> Result<T, String> {
        Err(format!("no JSON at byte {}", self.at))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(&[' ', '\t', '\n', '\r'][..]).len();
    }

    fn next_is(&mut self, wanted: &str) -> bool {
        self.space();
        let there = self.rest().starts_with(wanted);
        if there {
            self.at += wanted.len();
        }
        there
    }

    fn value(&mut self) -> Result<Json, String> {
        for (word, value) in
            [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))]
        {
            if self.next_is(word) {
                return Ok(value);
            }
        }
        match self.rest().as_bytes().first() {
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b'[') => self.list(),
            Some(b'{') => self.map(),
            _ => self.number(),
        }
    }

    fn list(&mut self) -> Result<Json, String> {
        let mut items = Vec::new();
        self.at += 1;
        if self.next_is("]") {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value()?);
            if self.next_is("]") {
                return Ok(Json::List(items));
            }
            if !self.next_is(",") {
                return self.wrong();
            }
        }
    }

    fn map(&mut self) -> Result<Json, String> {
        let mut pairs: Vec<(String, Json)> = Vec::new();
        self.at += 1;
        if self.next_is("}") {
            return Ok(Json::Map(pairs));
        }
        loop {
            self.space();
            let name = self.string()?;
            if !self.next_is(":") {
                return self.wrong();
            }
            let value = self.value()?;
            match pairs.iter_mut().find(|pair| pair.0 == name) {
                Some(pair) => pair.1 = value,
                None => pairs.push((name, value)),
            }
            if self.next_is("}") {
                return Ok(Json::Map(pairs));
            }
            if !self.next_is(",") {
                return self.wrong();
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let mut out = String::new();
        if !self.rest().starts_with('"') {
            return self.wrong();
        }
        self.at += 1;
        loop {
            match self.rest().chars().next() {
                Some('"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some('\\') => out.push(self.escape()?),
                Some(plain) if plain >= ' ' => {
                    out.push(plain);
                    self.at += plain.len_utf8();
                }
                _ => return self.wrong(),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let kind = self.rest().as_bytes().get(1).copied();
        self.at += 2;
        Ok(match kind {
            Some(same @ (b'"' | b'\\' | b'/')) => same as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let mut units = vec![self.unit()?];
                if (0xd800..0xdc00).contains(&units[0]) && self.rest().starts_with("\\u") {
                    self.at += 2;
                    units.push(self.unit()?);
                }
                match char::decode_utf16(units).next() {
                    Some(Ok(one)) => one,
                    _ => return self.wrong(),
                }
            }
            _ => return self.wrong(),
        })
    }

    fn unit(&mut self) -> Result<u16, String> {
        let digits = self.rest().get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        self.at += 4;
        unit.map_or_else(|| self.wrong(), Ok)
    }

    fn number(&mut self) -> Result<Json, String> {
        let rest = self.rest();
        let end = rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
        let number = &rest[..end.unwrap_or(rest.len())];
        let digits = number.strip_prefix('-').unwrap_or(number);
        let whole = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let valid = whole > 0 && (whole == 1 || !digits.starts_with('0'));
        let fraction = digits[whole..].strip_prefix('.');
        let valid = valid && fraction.map_or(true, |f| f.starts_with(|c: char| c.is_ascii_digit()));
        let value = if whole == digits.len() {
            number.parse().map(Json::Int).ok()
        } else {
            number.parse().map(Json::Real).ok()
        };
        match value.filter(|_| valid) {
            Some(value) => {
                self.at += number.len();
                Ok(value)
            }
            None => self.wrong(),
        }
    }
}
