//! What compression costs: choosing a coding, and each encoder on a page of 50 KiB.
//!
//! `cargo bench --bench compression`. The bytes out are printed before the times: a level is chosen
//! by both.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderValue};
use parvis::compress::{Body, Encoder, Memo, Workshop, accepted, whole};
use parvis::content::{Coding, Effort};
use std::hint::black_box;
use std::sync::Arc;

const PAGE: usize = 50 * 1024;

/// Words in a random order make text that shrinks about as a shop's page does.
const WORDS: &str = "the of and for with garden kitchen table chair lamp wood steel cotton linen \
    summer winter sale free shipping returns price order delivery basket customer review rating \
    stars product small large new best red blue green from before under around among between";

/// A shop's page: cards of products, each with its own words and numbers.
fn page() -> Bytes {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut state = 42u64;
    let mut next = move |limit: usize| {
        // Knuth's generator: any will do, as long as every run has the same page.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % limit
    };
    let mut text = String::from("<!doctype html>\n<html lang=\"en\"><title>Shop</title>\n");
    while text.len() < PAGE {
        let id = next(1_000_000);
        text.push_str(&format!(
            "<article class=\"card product\" id=\"product-{id}\">\n  <h3 class=\"card-title\">"
        ));
        for _ in 0..30 {
            text.push_str(words[next(words.len())]);
            text.push(' ');
        }
        let (euros, cents) = (next(500), next(100));
        text.push_str(&format!(
            "</h3>\n  <span class=\"price\">&euro; {euros}.{cents:02}</span>\n  <button \
             data-product=\"{id}\" class=\"btn btn-primary\">Add to basket</button>\n</article>\n"
        ));
    }
    text.truncate(PAGE);
    Bytes::from(text)
}

fn negotiation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("negotiation");
    for (name, value) in [
        ("browser", "gzip, deflate, br, zstd"),
        (
            "qualities",
            "br;q=0.8, zstd;q=0.9, gzip;q=1.0, identity;q=0.5, *;q=0",
        ),
        ("none", ""),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
        group.bench_function(name, |bencher| {
            bencher.iter(|| accepted(black_box(&headers), &Coding::ALL));
        });
    }
    group.finish();
}

fn encoders(criterion: &mut Criterion) {
    let page = page();
    let mut group = criterion.benchmark_group("50 KiB");
    group.throughput(Throughput::Bytes(page.len() as u64));
    for coding in Coding::ALL {
        for effort in [Effort::Large, Effort::Fast, Effort::Best] {
            let out = whole(coding, effort, &page).unwrap();
            let name = format!("{} {effort:?}", coding.name());
            println!("{name}: {} bytes in, {} out", page.len(), out.len());
            if effort == Effort::Best {
                // Once, in the background: its bytes matter, not its time.
                continue;
            }
            group.bench_function(format!("{name} whole"), |bencher| {
                bencher.iter(|| whole(coding, effort, black_box(&page)).unwrap());
            });
            group.bench_function(format!("{name} in pieces of 8 KiB"), |bencher| {
                bencher.iter(|| {
                    let mut encoder = Encoder::new(coding, effort, None).unwrap();
                    let mut out = Vec::new();
                    for piece in page.chunks(8 * 1024) {
                        encoder.put(black_box(piece), &mut out).unwrap();
                    }
                    encoder.finish(&mut out).unwrap();
                    out
                });
            });
        }
    }
    group.finish();
}

fn repeated(criterion: &mut Criterion) {
    let page = page();
    let memo = Arc::new(Memo::new(32 << 20, Arc::new(Workshop::default())));
    let mut group = criterion.benchmark_group("50 KiB that came before");
    group.throughput(Throughput::Bytes(page.len() as u64));
    for coding in Coding::ALL {
        group.bench_function(coding.name(), |bencher| {
            bencher.iter(|| {
                let length = Some(page.len() as u64);
                let mut body = Body::new(coding, length, Some(memo.clone()));
                body.put(black_box(page.clone()), true).unwrap()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, negotiation, encoders, repeated);
criterion_main!(benches);
