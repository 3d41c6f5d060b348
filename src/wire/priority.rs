//! How urgent an answer is to the client (RFC 9218), from the `priority` field.
//!
//! The field is a dictionary of structured fields (RFC 9651 section 3.2). Only `u` and `i` mean
//! something, but all of it has to be parsed: a field that is broken anywhere is no field.

/// How one answer stands to the others of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priority {
    /// 0 is the most urgent, 7 the least.
    pub urgency: u8,
    /// Whether the client can use parts of it, so that several may be sent by turns.
    pub incremental: bool,
}

/// What holds for what a `priority` field does not say (RFC 9218 section 4).
impl Default for Priority {
    fn default() -> Self {
        Priority {
            urgency: 3,
            incremental: false,
        }
    }
}

impl Priority {
    /// For requests without the field. Their client most likely knows nothing of priorities (gRPC,
    /// curl, proxies), and then expects what HTTP/2 did ever: that answers come by turns. One after
    /// the other, which the defaults of RFC 9218 would mean, starves a stream behind a download.
    pub const UNSAID: Priority = Priority {
        urgency: 3,
        incremental: true,
    };

    /// The priority that a field's value says; of several fields, joined by commas. What it does not
    /// say, or says wrongly, is as by default.
    pub fn of(field: &[u8]) -> Self {
        Priority::default().updated(field)
    }

    /// With what a further field says: the answer's own goes before the request's, member by member
    /// (RFC 9218 section 8).
    pub fn updated(self, field: &[u8]) -> Self {
        let mut parser = Parser { rest: field };
        parser.dictionary(self).unwrap_or(self)
    }
}

/// As far as the members that mean something are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Integer(i64),
    Boolean(bool),
    Other,
}

struct Parser<'a> {
    rest: &'a [u8],
}

/// `None` from any of these: the field is broken. RFC 9651 section 4.2 says how each is parsed.
impl<'a> Parser<'a> {
    fn dictionary(&mut self, mut priority: Priority) -> Option<Priority> {
        self.skip(b" ");
        while !self.rest.is_empty() {
            let name = self.key()?;
            let value = if self.eat(b'=') {
                self.member()?
            } else {
                Value::Boolean(true)
            };
            self.parameters()?;
            // Of a name that stands twice the last holds. A wrong value is as none.
            match (name, value) {
                (b"u", Value::Integer(urgency)) => {
                    if let Some(urgency) = u8::try_from(urgency).ok().filter(|u| *u <= 7) {
                        priority.urgency = urgency;
                    }
                }
                (b"i", Value::Boolean(incremental)) => priority.incremental = incremental,
                _ => {}
            }
            self.skip(b" \t");
            if self.rest.is_empty() {
                break;
            }
            if !self.eat(b',') {
                return None;
            }
            self.skip(b" \t");
            // A comma has something behind it.
            self.rest.first()?;
        }
        Some(priority)
    }

    fn member(&mut self) -> Option<Value> {
        if !self.eat(b'(') {
            return self.item();
        }
        loop {
            self.skip(b" ");
            if self.eat(b')') {
                return Some(Value::Other);
            }
            self.item()?;
            self.parameters()?;
            if !matches!(self.rest.first(), Some(b' ' | b')')) {
                return None;
            }
        }
    }

    fn parameters(&mut self) -> Option<()> {
        while self.eat(b';') {
            self.skip(b" ");
            self.key()?;
            if self.eat(b'=') {
                self.item()?;
            }
        }
        Some(())
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        if !matches!(self.rest.first(), Some(b'a'..=b'z' | b'*')) {
            return None;
        }
        Some(self.take(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*')))
    }

    fn item(&mut self) -> Option<Value> {
        match self.next()? {
            b'?' => match self.next()? {
                b'0' => Some(Value::Boolean(false)),
                b'1' => Some(Value::Boolean(true)),
                _ => None,
            },
            first @ (b'-' | b'0'..=b'9') => self.number(first),
            // A date is a whole number.
            b'@' => {
                let first = self.next()?;
                match self.number(first)? {
                    Value::Integer(_) => Some(Value::Other),
                    _ => None,
                }
            }
            b'"' => self.text(),
            // Text beyond ASCII: octets as `%` and two digits.
            b'%' if self.eat(b'"') => self.display(),
            b':' => {
                self.take(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
                self.eat(b':').then_some(Value::Other)
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'*' => {
                self.take(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b));
                Some(Value::Other)
            }
            _ => None,
        }
    }

    /// At most 15 digits, or 12 and a point and 3.
    fn number(&mut self, first: u8) -> Option<Value> {
        let negative = first == b'-';
        let first = if negative { self.next()? } else { first };
        if !first.is_ascii_digit() {
            return None;
        }
        let mut value = i64::from(first.wrapping_sub(b'0'));
        let more = self.take(|b| b.is_ascii_digit());
        let digits = more.len().saturating_add(1);
        for digit in more {
            let digit = i64::from(digit.wrapping_sub(b'0'));
            value = value.checked_mul(10)?.checked_add(digit)?;
        }
        if self.eat(b'.') {
            let places = self.take(|b| b.is_ascii_digit()).len();
            let sound = digits <= 12 && (1..=3).contains(&places);
            return sound.then_some(Value::Other);
        }
        let value = if negative {
            value.saturating_neg()
        } else {
            value
        };
        (digits <= 15).then_some(Value::Integer(value))
    }

    fn text(&mut self) -> Option<Value> {
        loop {
            match self.next()? {
                b'"' => return Some(Value::Other),
                b'\\' if !matches!(self.next()?, b'"' | b'\\') => return None,
                b'\\' | b' '..=b'~' => {}
                _ => return None,
            }
        }
    }

    fn display(&mut self) -> Option<Value> {
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        loop {
            match self.next()? {
                b'"' => return Some(Value::Other),
                b'%' if !(hex(self.next()?) && hex(self.next()?)) => return None,
                b' '..=b'~' => {}
                _ => return None,
            }
        }
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let rest = self.rest.strip_prefix(&[byte]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take(&mut self, of: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|b| !of(*b));
        let end = end.unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    fn skip(&mut self, bytes: &[u8]) {
        self.take(|b| bytes.contains(&b));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(urgency: u8, incremental: bool) -> Priority {
        Priority {
            urgency,
            incremental,
        }
    }

    #[test]
    fn what_is_said_holds_and_the_rest_is_as_by_default() {
        for (field, expected) in [
            ("", said(3, false)),
            ("  ", said(3, false)),
            ("u=0", said(0, false)),
            ("u=7, i", said(7, true)),
            ("i,u=5", said(5, true)),
            (" u=1 \t,\t i=?1 ", said(1, true)),
            ("i=?0", said(3, false)),
            ("u=2,u=6", said(6, false)),
            ("u=2;x=1;y, i;z=\"a\\\"b\"", said(2, true)),
            // Values that are none.
            ("u=8, i", said(3, true)),
            ("u=-1", said(3, false)),
            ("u=1.0", said(3, false)),
            ("u=\"1\"", said(3, false)),
            ("u", said(3, false)),
            ("i=1", said(3, false)),
            ("i=yes, u=1", said(1, false)),
            ("u=000001", said(1, false)),
            // Members that mean nothing.
            ("a=(1 \"x\";q=1 tok/en ?0), u=1", said(1, false)),
            (
                "b=:aGk=:, c=@1659578233, d=%\"a%c3%a4\", u=1",
                said(1, false),
            ),
            ("*x-1.y_z=*tok:en, u=1, e=()", said(1, false)),
            (
                "n=-999999999999999, m=123456789012.123, u=1",
                said(1, false),
            ),
        ] {
            assert_eq!(Priority::of(field.as_bytes()), expected, "{field:?}");
        }
    }

    #[test]
    fn a_broken_field_is_none() {
        for field in [
            "u=1,",
            "u=1,,i",
            ",u=1",
            "u=1 i",
            "u=1;",
            "u=1, U=2",
            "u=1, i=",
            "u=1, i=?2",
            "u=1, a=(1",
            "u=1, a=(1\"x\")",
            "u=1, a=\"x",
            "u=1, a=\"\\x\"",
            "u=1, a=1.",
            "u=1, a=1.1234",
            "u=1, a=1234567890123456",
            "u=1, a=1234567890123.1",
            "u=1, a=-",
            "u=1, a=:x",
            "u=1, a=@1.5",
            "u=1, a=%\"%C3\"",
            "u=1, a=%x",
            "u=1, \u{e4}",
            "\tu=1",
            "u=1, a=99999999999999999999999999",
            "u=1\r\n",
            "u =1",
            "u= 1",
        ] {
            assert_eq!(
                Priority::of(field.as_bytes()),
                Priority::default(),
                "{field:?}"
            );
        }
    }

    #[test]
    fn the_answers_own_goes_before() {
        let asked = Priority::of(b"u=5, i");
        assert_eq!(asked.updated(b"u=1"), said(1, true));
        assert_eq!(asked.updated(b"i=?0"), said(5, false));
        assert_eq!(asked.updated(b"u=1, ?"), asked);
    }

    #[test]
    fn rubbish_does_no_harm() {
        use rand::rngs::StdRng;
        use rand::{Rng, SeedableRng};
        let mut random = StdRng::seed_from_u64(9);
        let some = b"ui=?01,; \t()\"\\:@%.-9aZ*\xff";
        for _ in 0..100_000 {
            let field: Vec<u8> = (0..random.gen_range(0..24))
                .map(|_| some[random.gen_range(0..some.len())])
                .collect();
            assert!(Priority::of(&field).urgency <= 7);
        }
    }
}
