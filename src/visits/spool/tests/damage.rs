//! Files that are not as they were written.

use super::super::frame::HEAD;
use super::super::segment::HEADER;
use super::*;
use std::fs;

/// A spool of twenty records with a sink before them, and its only segment's file.
fn twenty(scratch: &Scratch) -> PathBuf {
    let spool = open(&scratch.0);
    spool.reader("store");
    for number in 0..20 {
        append(&spool, [number], 20);
    }
    files(&scratch.0, "segment").remove(0)
}

const FRAME: usize = HEAD + 20;

#[test]
fn a_tail_may_be_torn_at_every_byte() {
    let scratch = Scratch::new();
    let segment = twenty(&scratch);
    let whole = fs::read(&segment).unwrap();
    let cursor = scratch.0.join("store.cursor");
    let place = fs::read(&cursor).unwrap();
    assert_eq!(whole.len(), HEADER + 20 * FRAME);
    for length in 0..=whole.len() {
        for path in files(&scratch.0, "segment") {
            fs::remove_file(path).unwrap();
        }
        fs::write(&segment, &whole[..length]).unwrap();
        fs::write(&cursor, &place).unwrap();
        let spool = open(&scratch.0);
        let left = (length.saturating_sub(HEADER) / FRAME) as u64;
        append(&spool, 100..103, 30);
        let mut reader = spool.reader("store");
        assert_eq!(spool.counts().readers[0].waiting, left + 3, "{length}");
        let mut expected = sequence(0..left);
        expected.extend(100..103);
        assert_eq!(take(&mut reader, 1000), expected, "{length}");
        assert_eq!(spool.counts().lost(), 0);
    }
}

#[test]
fn a_place_behind_a_torn_tail_sees_what_comes_after() {
    let scratch = Scratch::new();
    let segment = twenty(&scratch);
    let whole = fs::read(&segment).unwrap();
    {
        let spool = open(&scratch.0);
        assert_eq!(take(&mut spool.reader("store"), 1000).len(), 20);
    }
    // A power cut: the place was written, the last records were not.
    fs::write(&segment, &whole[..whole.len() - 100]).unwrap();
    let spool = open(&scratch.0);
    append(&spool, 50..60, 20);
    assert_eq!(spool.counts().readers[0].waiting, 10);
    assert_eq!(take(&mut spool.reader("store"), 1000), sequence(50..60));
    assert_eq!(spool.counts().lost(), 0);
}

#[test]
fn one_damaged_record_costs_one() {
    let scratch = Scratch::new();
    let segment = twenty(&scratch);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[HEADER + 5 * FRAME + HEAD + 3] ^= 1;
    bytes[HEADER + 19 * FRAME + HEAD + 3] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let spool = open(&scratch.0);
    append(&spool, 20..25, 20);
    let mut expected = sequence(0..25);
    expected.retain(|number| ![5, 19].contains(number));
    assert_eq!(take(&mut spool.reader("store"), 1000), expected);
    // The damaged one at the very end is a torn tail: nothing tells that it was one record.
    assert_eq!(spool.counts().lost(), 1);
}

#[test]
fn a_damaged_length_costs_the_rest_of_its_segment() {
    for length in [0_u32, 21, 19, 1 << 19, u32::MAX] {
        let scratch = Scratch::new();
        let segment = twenty(&scratch);
        {
            // It is not the last one.
            let spool = open(&scratch.0);
            append(&spool, 20..30, 20);
        }
        let mut bytes = fs::read(&segment).unwrap();
        let at = HEADER + 5 * FRAME;
        bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        fs::write(&segment, &bytes).unwrap();
        let spool = open(&scratch.0);
        let mut expected = sequence(0..5);
        expected.extend(20..30);
        assert_eq!(take(&mut spool.reader("store"), 1000), expected, "{length}");
        assert_eq!(spool.counts().lost(), 15, "{length}");
    }
}

#[test]
fn no_change_of_a_byte_stops_a_reader() {
    let scratch = Scratch::new();
    let segment = twenty(&scratch);
    let whole = fs::read(&segment).unwrap();
    let cursor = scratch.0.join("store.cursor");
    let place = fs::read(&cursor).unwrap();
    for at in 0..whole.len() {
        for change in [1, 0x80, 0xff] {
            for path in files(&scratch.0, "segment") {
                fs::remove_file(path).unwrap();
            }
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            fs::write(&segment, &bytes).unwrap();
            fs::write(&cursor, &place).unwrap();
            let spool = open(&scratch.0);
            append(&spool, 20..25, 20);
            let taken = take(&mut spool.reader("store"), 100);
            assert!(taken.ends_with(&sequence(20..25)));
            assert!(taken.is_sorted());
        }
    }
}

#[test]
fn a_segment_that_vanishes_is_passed_over() {
    let scratch = Scratch::new();
    let spool = open(&scratch.0);
    let mut reader = spool.reader("store");
    append(&spool, 0..100_000, 200);
    let segments = files(&scratch.0, "segment");
    fs::remove_file(&segments[1]).unwrap();
    let taken = take(&mut reader, 1 << 20);
    let lost = spool.counts().lost();
    assert_eq!(taken.len() as u64 + lost, 100_000);
    assert!(lost > 30_000 && taken.is_sorted());
    // The last one, that is being written, and that the reader has open.
    append(&spool, 0..1, 200);
    let mut other = spool.reader("other");
    append(&spool, 1..3, 200);
    fs::remove_file(files(&scratch.0, "segment").pop().unwrap()).unwrap();
    append(&spool, 3..5, 200);
    assert_eq!(take(&mut reader, 1 << 20), sequence(0..5));
    assert_eq!(take(&mut other, 1 << 20), sequence(3..5));
    assert_eq!(spool.counts().readers[0].lost, 2);
    assert_eq!(spool.counts().lost(), lost);
}

#[test]
fn a_damaged_cursor_begins_with_the_oldest() {
    let scratch = Scratch::new();
    twenty(&scratch);
    let cursor = scratch.0.join("store.cursor");
    for bytes in [&b""[..], b"x", &[0xff; 28]] {
        fs::write(&cursor, bytes).unwrap();
        let spool = open(&scratch.0);
        let mut reader = spool.reader("store");
        let chunk = reader.read(1000).unwrap();
        assert_eq!(
            chunk.records().map(number).collect::<Vec<_>>(),
            sequence(0..20)
        );
        assert_eq!(spool.counts().lost(), 0);
    }
}
