//! Bodies: pages that shrink, noise that does not, the same for the same seed.

/// A generator of numbers that look random, the same ones for a seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        // Seeds that lie near each other give unlike sequences; 0 would give none.
        Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() >> 11) as usize % end
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

const WORDS: [&str; 24] = [
    "<p>",
    "</p>\n",
    "<a href=\"/articles/",
    "\">",
    "</a>",
    "<div class=\"row\">",
    "</div>\n",
    "the",
    "edge",
    "of",
    "a",
    "request",
    "answer",
    "server",
    "in front",
    "compressed",
    "once",
    "many",
    "times",
    "without",
    "waking",
    "app",
    "für",
    "größer",
];

/// A page of exactly so many bytes.
pub fn page(length: usize) -> Vec<u8> {
    prose(length, 0)
}

/// Text of exactly so many bytes, another one for another seed.
pub fn prose(length: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut text = Vec::with_capacity(length + 32);
    while text.len() < length {
        text.extend(random.pick(&WORDS).as_bytes());
        text.push(b' ');
        if random.below(6) == 0 {
            text.extend(random.below(100_000).to_string().as_bytes());
        }
    }
    text.truncate(length);
    text
}

/// Bytes that no coding makes shorter.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(random.next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Hexadecimal digits: every coding makes them shorter by about a half, and none by much more.
pub fn digits(length: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut text = Vec::with_capacity(length + 16);
    while text.len() < length {
        let number = random.next();
        text.extend((0..16).map(|i| b"0123456789abcdef"[(number >> (4 * i)) as usize & 15]));
    }
    text.truncate(length);
    text
}
