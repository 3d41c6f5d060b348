//! Writes small databases (MaxMind DB format 2.0), for the tests.

use std::collections::HashMap;
use std::net::IpAddr;

/// A value of a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    Text(&'static str),
    /// uint16.
    Small(u16),
    Number(u32),
    /// uint64.
    Large(u64),
    Map(Vec<(&'static str, Value)>),
    List(Vec<Value>),
}

use Value::{Large, List, Map, Number, Small, Text};

#[derive(Clone, Copy, PartialEq)]
enum Slot {
    Empty,
    Node(usize),
    Data(usize),
}

/// A database of networks and their records.
pub struct Written {
    kind: String,
    six: bool,
    record_size: usize,
    nodes: Vec<[Slot; 2]>,
    data: Vec<u8>,
    /// Where values stand that were written: as MaxMind's writer does, none is written twice.
    known: HashMap<Value, usize>,
}

impl Written {
    pub fn new(kind: &str) -> Self {
        Self::of(kind, true, 24)
    }

    pub fn of(kind: &str, six: bool, record_size: usize) -> Self {
        Written {
            kind: kind.to_string(),
            six,
            record_size,
            nodes: vec![[Slot::Empty; 2]],
            data: Vec::new(),
            known: HashMap::new(),
        }
    }

    /// Adds a network, `"81.2.69.0/24"`.
    pub fn with(mut self, network: &str, record: Value) -> Self {
        let (address, length) = network.split_once('/').unwrap();
        let length: usize = length.parse().unwrap();
        let (bits, length) = match (address.parse().unwrap(), self.six) {
            (IpAddr::V4(address), false) => (u128::from(u32::from(address)) << 96, length),
            (IpAddr::V4(address), true) => (u128::from(u32::from(address)), 96 + length),
            (IpAddr::V6(address), _) => (u128::from(address), length),
        };
        let known = self.known.get(&record).copied();
        let offset = known.unwrap_or(self.data.len());
        if known.is_none() {
            self.put(&record);
        }
        let mut node = 0;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                self.nodes[node][side] = Slot::Data(offset);
                break;
            }
            node = match self.nodes[node][side] {
                Slot::Node(next) => next,
                other => {
                    assert!(other == Slot::Empty, "networks within networks");
                    self.nodes.push([Slot::Empty; 2]);
                    let next = self.nodes.len() - 1;
                    self.nodes[node][side] = Slot::Node(next);
                    next
                }
            };
        }
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let count = self.nodes.len();
        for [left, right] in &self.nodes {
            let number = |slot: &Slot| match slot {
                Slot::Empty => count,
                Slot::Node(node) => *node,
                Slot::Data(offset) => count + 16 + offset,
            };
            let (left, right) = (number(left) as u32, number(right) as u32);
            match self.record_size {
                24 => {
                    out.extend_from_slice(&left.to_be_bytes()[1..]);
                    out.extend_from_slice(&right.to_be_bytes()[1..]);
                }
                28 => {
                    out.extend_from_slice(&left.to_be_bytes()[1..]);
                    out.push(((left >> 20) as u8 & 0xf0) | (right >> 24) as u8);
                    out.extend_from_slice(&right.to_be_bytes()[1..]);
                }
                _ => {
                    out.extend_from_slice(&left.to_be_bytes());
                    out.extend_from_slice(&right.to_be_bytes());
                }
            }
        }
        out.extend_from_slice(&[0; 16]);
        out.extend_from_slice(&self.data);
        out.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
        let metadata = Map(vec![
            ("binary_format_major_version", Small(2)),
            ("binary_format_minor_version", Small(0)),
            ("build_epoch", Large(1_763_000_000)),
            (
                "database_type",
                Text(Box::leak(self.kind.clone().into_boxed_str())),
            ),
            ("description", Map(vec![("en", Text("for a test"))])),
            ("ip_version", Small(if self.six { 6 } else { 4 })),
            ("languages", List(vec![Text("en")])),
            ("node_count", Number(count as u32)),
            ("record_size", Small(self.record_size as u16)),
        ]);
        let mut section = Written::new("");
        section.put(&metadata);
        out.extend_from_slice(&section.data);
        out
    }

    fn put(&mut self, value: &Value) {
        // A pointer to a number would be longer than most numbers.
        if !matches!(value, Small(_) | Number(_)) {
            if let Some(offset) = self.known.get(value) {
                return self.pointer(*offset);
            }
            self.known.insert(value.clone(), self.data.len());
        }
        match value {
            Text(text) => {
                self.control(2, text.len());
                self.data.extend_from_slice(text.as_bytes());
            }
            Small(number) => self.number(5, &number.to_be_bytes()),
            Number(number) => self.number(6, &number.to_be_bytes()),
            Large(number) => self.number(9, &number.to_be_bytes()),
            Map(entries) => {
                self.control(7, entries.len());
                for (key, value) in entries {
                    self.put(&Text(key));
                    self.put(value);
                }
            }
            List(values) => {
                self.control(11, values.len());
                for value in values {
                    self.put(value);
                }
            }
        }
    }

    fn number(&mut self, kind: u8, bytes: &[u8]) {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        self.control(kind, bytes.len() - zeros);
        self.data.extend_from_slice(&bytes[zeros..]);
    }

    fn pointer(&mut self, offset: usize) {
        let bytes = (offset as u32).to_be_bytes();
        match offset {
            0..2048 => self.data.extend_from_slice(&[0x20 | bytes[2], bytes[3]]),
            2048..526_336 => {
                let bytes = (offset as u32 - 2048).to_be_bytes();
                self.data
                    .extend_from_slice(&[0x28 | bytes[1], bytes[2], bytes[3]]);
            }
            _ => {
                self.data.push(0x38);
                self.data.extend_from_slice(&bytes);
            }
        }
    }

    fn control(&mut self, kind: u8, size: usize) {
        let (short, more) = match size {
            0..29 => (size as u8, None),
            _ => (29, Some((size - 29) as u8)),
        };
        match kind {
            0..8 => self.data.push(kind << 5 | short),
            _ => self.data.extend_from_slice(&[short, kind - 7]),
        }
        self.data.extend(more);
    }
}

fn names(english: &'static str) -> Value {
    Map(vec![
        ("de", Text("auf Deutsch")),
        ("en", Text(english)),
        ("fr", Text("en fran\u{e7}ais")),
    ])
}

/// As GeoLite2-Country has it.
pub fn country(code: &'static str) -> Value {
    Map(vec![
        (
            "continent",
            Map(vec![("code", Text("EU")), ("names", names("Europe"))]),
        ),
        (
            "country",
            Map(vec![
                ("geoname_id", Number(3_017_382)),
                ("iso_code", Text(code)),
                ("names", names("Somewhere")),
            ]),
        ),
        (
            "registered_country",
            Map(vec![("iso_code", Text("US")), ("names", names("America"))]),
        ),
    ])
}

/// As ip-location-db has it.
pub fn flat_country(code: &'static str) -> Value {
    Map(vec![("country_code", Text(code))])
}

/// As GeoLite2-City has it.
pub fn city(code: &'static str, region: &'static str, city: &'static str) -> Value {
    Map(vec![
        ("city", Map(vec![("names", names(city))])),
        ("country", Map(vec![("iso_code", Text(code))])),
        (
            "subdivisions",
            List(vec![
                Map(vec![("iso_code", Text("IDF")), ("names", names(region))]),
                Map(vec![("iso_code", Text("75")), ("names", names("Smaller"))]),
            ]),
        ),
    ])
}

/// As GeoLite2-ASN has it.
pub fn network(number: u32) -> Value {
    Map(vec![
        ("autonomous_system_number", Number(number)),
        ("autonomous_system_organization", Text("A network")),
    ])
}
