//! The process is killed while it writes.

use super::*;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

const TEST: &str = "killed::what_was_appended_survives_kill_9";
/// Records of an append.
const BATCH: u64 = 50;

/// Appends until it is killed, and says after each append how far it is.
fn write_for_ever(directory: &Path) {
    let spool = open(directory);
    let mut reader = spool.reader("store");
    let mut next = 0;
    loop {
        append(&spool, next..next + BATCH, 500);
        next += BATCH;
        println!("\n{next}");
        std::io::stdout().flush().unwrap();
        if next % (20 * BATCH) == 0
            && let Some(chunk) = reader.read(10_000)
        {
            reader.done(chunk.end);
        }
    }
}

#[test]
fn what_was_appended_survives_kill_9() {
    if let Some(directory) = my_role() {
        write_for_ever(&directory);
    }
    for round in 1..8 {
        let scratch = Scratch::new();
        let mut child = role(TEST, &scratch.0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = 0_u64;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while said < round * 15_000 {
            said = lines.next().unwrap().unwrap().parse().unwrap_or(said);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            said = line.unwrap().parse().unwrap_or(said);
        }
        let spool = open(&scratch.0);
        let mut reader = spool.reader("store");
        let taken = take(&mut reader, 1 << 20);
        // The place was saved: not all begins again; and nothing is missing but the append that
        // was being made.
        let (first, last) = (taken[0], taken[taken.len() - 1]);
        assert_eq!(taken, sequence(first..last + 1));
        assert!(first > 0 && last + 1 >= said, "{last} of {said}");
        assert!(last < said + BATCH, "{last} of {said}");
        assert_eq!(spool.counts().lost(), 0);
    }
}
