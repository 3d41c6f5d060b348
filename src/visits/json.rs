//! A visit as JSON: what a site's own consumer takes from Redis.
//!
//! Written by hand, because there are a hundred thousand of them a second at times and a tree of
//! values for each would cost more than all the rest of a sink. Keys that say nothing are left
//! out: `region`, `city`, `asn`, `language` and `utm_*` when they are not known, `partial` when it
//! is not true.

use super::address::AddressKind;
use super::visit::Visit;
use std::io::Write;
use std::net::IpAddr;

/// Appends the visit as one JSON object (RFC 8259) without a line's end. `address`: how much of
/// the client's address it tells.
pub fn write(out: &mut Vec<u8>, visit: &Visit<'_>, address: AddressKind) {
    raw(out, r#"{"id":""#);
    uuid(out, visit.id);
    // A name of ours is never escaped.
    raw(out, r#"","source":""#);
    raw(out, visit.source.name());
    raw(out, r#"","user_id":null,"session_key":""#);
    hex(out, visit.session.into(), 16);
    raw(out, r#"","path":"#);
    text(out, visit.path);
    raw(out, r#","method":"GET","ip_address":"#);
    match visit.address.and_then(|whole| address.apply(whole)) {
        Some(address) => ip(out, address),
        None => raw(out, "null"),
    }
    raw(out, r#","country":"#);
    text(out, visit.country());
    raw(out, r#","device":""#);
    raw(out, visit.device.name());
    raw(out, r#"","browser":"#);
    text(out, visit.browser);
    raw(out, r#","os":"#);
    text(out, visit.os);
    raw(out, r#","user_agent":"#);
    text(out, visit.user_agent);
    raw(out, r#","referrer":"#);
    text(out, visit.referrer);
    raw(out, r#","response_time":"#);
    let took = u64::from(visit.took);
    decimal(out, took / 1_000, 1);
    raw(out, ".");
    decimal(out, took % 1_000, 3);
    raw(out, r#","timestamp":"#);
    timestamp(out, visit.time);
    raw(out, r#","site":"#);
    text(out, visit.site);
    raw(out, r#","status":"#);
    decimal(out, visit.status.into(), 1);
    optional(out, r#","region":"#, visit.region);
    optional(out, r#","city":"#, visit.city);
    if visit.asn != 0 {
        raw(out, r#","asn":"#);
        decimal(out, visit.asn.into(), 1);
    }
    raw(out, r#","visitor":""#);
    hex(out, visit.visitor.into(), 16);
    raw(out, r#"""#);
    optional(out, r#","language":"#, visit.language);
    optional(out, r#","utm_source":"#, visit.utm_source);
    optional(out, r#","utm_medium":"#, visit.utm_medium);
    optional(out, r#","utm_campaign":"#, visit.utm_campaign);
    if visit.partial {
        raw(out, r#","partial":true"#);
    }
    raw(out, "}");
}

fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn optional(out: &mut Vec<u8>, key: &str, value: &str) {
    if !value.is_empty() {
        raw(out, key);
        text(out, value);
    }
}

/// RFC 8259 section 7: the quotation mark, the backslash and the control characters are escaped.
fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    // Without a way out of the loop it is done with many bytes at once; hardly any text needs more.
    let any = |found: bool, byte: &u8| found | needs_escape(*byte);
    if text.as_bytes().iter().fold(false, any) {
        escaped(out, text.as_bytes());
    } else {
        raw(out, text);
    }
    out.push(b'"');
}

fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        match byte {
            b'"' => raw(out, "\\\""),
            b'\\' => raw(out, "\\\\"),
            b'\n' => raw(out, "\\n"),
            b'\r' => raw(out, "\\r"),
            b'\t' => raw(out, "\\t"),
            control if needs_escape(*control) => {
                raw(out, "\\u");
                hex(out, u128::from(*control), 4);
            }
            byte => out.push(*byte),
        }
    }
}

/// The lowest `digits` hexadecimal digits.
fn hex(out: &mut Vec<u8>, value: u128, digits: u32) {
    for digit in (0..digits).rev() {
        let nibble = u8::try_from(value >> digit.saturating_mul(4) & 0xf).unwrap_or(0);
        let letter = if nibble < 10 { b'0' } else { b'a' - 10 };
        out.push(letter.wrapping_add(nibble));
    }
}

/// RFC 9562 section 4.
fn uuid(out: &mut Vec<u8>, id: u128) {
    hex(out, id >> 96, 8);
    for shift in [80, 64, 48] {
        out.push(b'-');
        hex(out, id >> shift, 4);
    }
    out.push(b'-');
    hex(out, id, 12);
}

/// A whole number with at least `width` digits.
pub(super) fn decimal(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut count = 0_usize;
    for digit in digits.iter_mut().rev() {
        *digit = b'0'.wrapping_add(u8::try_from(value % 10).unwrap_or(0));
        value /= 10;
        count = count.saturating_add(1);
        if value == 0 && count >= width {
            break;
        }
    }
    let first = digits.len().saturating_sub(count);
    out.extend_from_slice(digits.get(first..).unwrap_or_default());
}

/// Seconds with six decimals.
fn timestamp(out: &mut Vec<u8>, micros: i64) {
    if micros < 0 {
        out.push(b'-');
    }
    let micros = micros.unsigned_abs();
    decimal(out, micros / 1_000_000, 1);
    out.push(b'.');
    decimal(out, micros % 1_000_000, 6);
}

fn ip(out: &mut Vec<u8>, address: IpAddr) {
    out.push(b'"');
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            decimal(out, a.into(), 1);
            for octet in [b, c, d] {
                out.push(b'.');
                decimal(out, octet.into(), 1);
            }
        }
        // A vector takes everything.
        IpAddr::V6(address) => {
            let _ = write!(out, "{address}");
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests;
