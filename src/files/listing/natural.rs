//! The order in which people look for names.

use std::cmp::Ordering;
use std::iter::Peekable;

/// Compares names without regard to case and with runs of digits as numbers: `a2` before `A10`.
/// Names that differ only in case or in leading zeros are equal.
pub fn natural(a: &str, b: &str) -> Ordering {
    let mut a = a.chars().flat_map(char::to_lowercase).peekable();
    let mut b = b.chars().flat_map(char::to_lowercase).peekable();
    loop {
        let order = match (a.peek(), b.peek()) {
            (None, None) => return Ordering::Equal,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                numbers(&mut a, &mut b)
            }
            _ => a.next().cmp(&b.next()),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Takes a run of digits from each and compares them as numbers of any length.
fn numbers(
    a: &mut Peekable<impl Iterator<Item = char>>,
    b: &mut Peekable<impl Iterator<Item = char>>,
) -> Ordering {
    while a.next_if_eq(&'0').is_some() {}
    while b.next_if_eq(&'0').is_some() {}
    let mut first = Ordering::Equal;
    loop {
        let x = a.next_if(char::is_ascii_digit);
        let y = b.next_if(char::is_ascii_digit);
        match (x, y) {
            (None, None) => return first,
            // The longer number is the larger one.
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => first = first.then(x.cmp(&y)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_numbers_and_case_does_not_matter() {
        let sorted = [
            "",
            "!",
            "0",
            "1",
            "2",
            "10",
            "10a",
            "18446744073709551616",
            "18446744073709551617",
            "A",
            "a1",
            "A2",
            "a10",
            "a10b2",
            "a10b10",
            "B",
            "ä",
            "Ö",
        ];
        for (i, x) in sorted.iter().enumerate() {
            for (j, y) in sorted.iter().enumerate() {
                assert_eq!(natural(x, y), i.cmp(&j), "{x} {y}");
            }
        }
        assert_eq!(natural("a007", "A7"), Ordering::Equal);
        assert_eq!(natural("000", "0"), Ordering::Equal);
    }
}
