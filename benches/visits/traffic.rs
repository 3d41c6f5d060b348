//! Guests that nobody has seen: what a site of some size has in a few hours.

use http::header::{ACCEPT_LANGUAGE, HOST, HeaderMap, HeaderValue, REFERER, USER_AGENT};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Visitors; each has its address, user agent and language.
const VISITORS: usize = 200_000;
/// Sets of fields of requests, shared by visitors.
const SETS: usize = 20_000;
const PAGES: usize = 2_000;
/// User agents: systems and models times versions.
const AGENTS: usize = 3_000;

/// Numbers that are the same in every run (Steele et al., splitmix64).
#[derive(Debug, Clone)]
pub struct Numbers(pub u64);

impl Numbers {
    /// The next one.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One below `end`, all alike.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 32)
            .unwrap_or(0)
            .wrapping_mul(end)
            >> 32
    }

    /// One below `end`, small ones much more often.
    pub fn often_small(&mut self, end: usize) -> usize {
        let share = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        ((end as f64) * share * share * share) as usize
    }
}

/// What requests are made of.
#[derive(Debug)]
pub struct Traffic {
    sets: Vec<HeaderMap>,
    targets: Vec<Vec<u8>>,
}

/// A request, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its fields.
    pub headers: &'a HeaderMap,
    /// Path and query.
    pub target: &'a [u8],
    /// From where.
    pub client: IpAddr,
}

impl Request<'_> {
    /// Brings it into the processor's caches, as reading it from a connection does.
    pub fn read(&self) {
        let fields = self.headers.values().flat_map(HeaderValue::as_bytes);
        let sum = fields
            .chain(self.target)
            .fold(0_u64, |sum, byte| sum + u64::from(*byte));
        black_box((sum, self.headers.get(HOST)));
    }
}

impl Traffic {
    /// Makes it up.
    pub fn new() -> Self {
        let mut numbers = Numbers(4);
        let sets = (0..SETS).map(|_| fields(&agent(numbers.often_small(AGENTS)), &mut numbers));
        let sets = sets.collect();
        let targets = (0..PAGES).map(|page| target(page, &mut numbers)).collect();
        Traffic { sets, targets }
    }

    /// Some request.
    pub fn request(&self, numbers: &mut Numbers) -> Request<'_> {
        let visitor = numbers.below(VISITORS);
        Request {
            headers: &self.sets[visitor % SETS],
            target: &self.targets[numbers.often_small(PAGES)],
            client: address(visitor as u64),
        }
    }
}

fn target(page: usize, numbers: &mut Numbers) -> Vec<u8> {
    let section = ["products", "blog", "help", "categories", "brands"][page % 5];
    let query = match numbers.below(10) {
        0 => "?utm_source=newsletter&utm_medium=e-mail&utm_campaign=autumn-sale",
        1 => "?page=2&sort=price",
        _ => "",
    };
    match page {
        0 => b"/".to_vec(),
        _ => format!("/{section}/a-page-about-{page}/{query}").into_bytes(),
    }
}

/// Three guests in ten come from outside.
fn fields(agent: &str, numbers: &mut Numbers) -> HeaderMap {
    let referrer = match numbers.below(10) {
        0 => "https://www.google.com/".to_string(),
        1 => "https://duckduckgo.com/".to_string(),
        2 => format!("https://news-{}.example/a/story", numbers.often_small(500)),
        _ => format!(
            "https://www.shop.test/blog/a-page-about-{}/",
            numbers.below(PAGES)
        ),
    };
    let language = [
        "en-GB,en;q=0.9",
        "fr-FR,fr;q=0.9,en;q=0.8",
        "de",
        "es-ES,es;q=0.5",
    ];
    let language = language[numbers.below(language.len())];
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let mut headers = HeaderMap::new();
    let mut put = |name: http::HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put(HOST, "www.shop.test");
    put(USER_AGENT, agent);
    put(http::header::ACCEPT, accept);
    put(ACCEPT_LANGUAGE, language);
    put(http::header::ACCEPT_ENCODING, "gzip, deflate, br, zstd");
    put(REFERER, &referrer);
    put(
        http::header::COOKIE,
        "theme=dark; consent=all; basket=5f3c1e9ab2d84760",
    );
    headers
}

/// A user agent; each number another one.
pub fn agent(number: usize) -> String {
    let (kind, version) = (number % 6, 90 + number / 6 % 60);
    let build = number / 360;
    match kind {
        0 => format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.{build}.0 Safari/537.36"
        ),
        1 => format!(
            "Mozilla/5.0 (Linux; Android 14; SM-S9{build}B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Mobile Safari/537.36"
        ),
        2 => format!(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{version} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.{build} Mobile/15E148 Safari/604.1"
        ),
        3 => format!(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{version}.{build} Safari/605.1.15"
        ),
        4 => format!(
            "Mozilla/5.0 (X11; Linux x86_64; rv:{version}.{build}) Gecko/20100101 Firefox/{version}.{build}"
        ),
        _ => format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36 Edg/{version}.0.{build}.0"
        ),
    }
}

/// A visitor's address: one in five has IPv6. Anywhere, private and reserved ones included.
pub fn address(visitor: u64) -> IpAddr {
    let random = Numbers(visitor).next();
    match visitor % 5 {
        0 => {
            let network = 0x2000 | u128::from(random >> 52);
            IpAddr::V6(Ipv6Addr::from(network << 112 | u128::from(random)))
        }
        _ => IpAddr::V4(Ipv4Addr::from((random >> 32) as u32)),
    }
}
