use super::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

/// Takes pictures of up to this many bytes.
const LIMIT: u64 = 60;

#[derive(Debug, Default)]
struct Pictures {
    full: AtomicBool,
    too_long: AtomicBool,
}

impl Rework for Pictures {
    fn takes(&self, head: &[u8]) -> bool {
        assert!(head.ends_with(b"\r\n\r\n"));
        fields(head).any(|field| field == Some((b"Content-Type", b"image/png")))
    }

    fn limit(&self) -> u64 {
        LIMIT
    }

    fn has_room(&self, _bytes: u64) -> bool {
        !self.full.load(Ordering::Relaxed)
    }

    fn is_too_long(&self) {
        self.too_long.store(true, Ordering::Relaxed);
    }

    fn rework(self: Arc<Self>, _head: Vec<u8>, body: Bytes) -> Work {
        Box::pin(async move { body.iter().rev().copied().collect() })
    }
}

/// What became of an answer: what was passed on as it came, and the whole of what was taken.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    passed: Vec<u8>,
    taken: Option<(Vec<u8>, Vec<u8>)>,
    /// As it came.
    raw: Vec<u8>,
    /// Whether the app closes before it is decided.
    undecided: bool,
}

/// Gives it the pieces one by one, and then what follows to whoever comes after it.
fn gathered(pieces: &[&[u8]]) -> Outcome {
    let mut gather = Gather::new(Arc::new(Pictures::default()));
    let mut outcome = Outcome {
        undecided: true,
        ..Outcome::default()
    };
    for (index, piece) in pieces.iter().enumerate() {
        match gather.put(piece) {
            Gathered::More => outcome.passed.extend(gather.take_interim()),
            Gathered::Not(came) => {
                outcome.passed.extend(came);
                outcome.passed.extend(pieces[index + 1..].concat());
                outcome.undecided = false;
                return outcome;
            }
            Gathered::Whole { raw, head, body } => {
                outcome.passed.extend(gather.take_interim());
                outcome.taken = Some((head, body.to_vec()));
                outcome.raw = raw.to_vec();
                outcome.undecided = false;
                assert!(pieces[index + 1..].concat().is_empty());
                return outcome;
            }
        }
    }
    outcome.passed.extend(gather.give_up());
    outcome
}

const EARLY: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n";
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n";

/// Every way to cut it in two, and many to cut it in more.
fn cuts(wire: &[u8], mut each: impl FnMut(&[&[u8]])) {
    each(&[wire]);
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    each(&bytes);
    for at in 0..=wire.len() {
        each(&[&wire[..at], &wire[at..]]);
    }
    let mut random = StdRng::seed_from_u64(11);
    for _ in 0..200 {
        let (mut pieces, mut rest) = (Vec::new(), wire);
        while !rest.is_empty() {
            let (piece, next) = rest.split_at(random.gen_range(1..=rest.len().min(20)));
            pieces.push(piece);
            rest = next;
        }
        each(&pieces);
    }
}

#[test]
fn a_whole_answer_is_taken_however_it_is_cut() {
    let body = "0123456789abcdef";
    let framed = [
        format!("Content-Length: 16\r\n\r\n{body}"),
        "Transfer-Encoding: chunked\r\n\r\n\
         5\r\n01234\r\n1;x=y\r\n5\r\na\r\n6789abcdef\r\n0\r\n\r\n"
            .to_string(),
        "transfer-encoding: Chunked\r\n\r\n10\r\n0123456789abcdef\r\n0\r\nX-Sum: 7\r\nB: c\r\n\r\n"
            .to_string(),
    ];
    for early in ["", EARLY] {
        for framed in &framed {
            let answer = format!("{HEAD}{framed}");
            let end = answer.find("\r\n\r\n").unwrap() + 4;
            let wire = format!("{early}{answer}");
            cuts(wire.as_bytes(), |pieces| {
                let outcome = gathered(pieces);
                assert_eq!(outcome.passed, early.as_bytes());
                let (head, whole) = outcome.taken.expect("it is taken");
                assert_eq!(head, &answer.as_bytes()[..end]);
                assert_eq!(whole, body.as_bytes());
                assert_eq!(outcome.raw, answer.as_bytes());
            });
        }
    }
}

#[test]
fn what_does_not_fit_passes_as_it_came() {
    let long = "x".repeat(61);
    let others = [
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok".to_string(),
        "HTTP/1.1 404 Not Found\r\nContent-Type: image/png\r\nContent-Length: 2\r\n\r\nok".into(),
        "HTTP/1.1 304 Not Modified\r\nContent-Type: image/png\r\n\r\n".into(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nanything".into(),
        format!("{HEAD}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok"),
        format!("{HEAD}Content-Length: 61\r\n\r\n{long}"),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n3d\r\n{long}\r\n0\r\n\r\n"),
        format!("{HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n"),
        format!("{HEAD}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"),
        format!("{HEAD}Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
        format!("{HEAD}Content-Length: +2\r\n\r\nok"),
        format!("{HEAD}Content-Length: 0\r\n\r\n"),
        format!("{HEAD}\r\nuntil the end"),
        format!("{HEAD} folded: 2\r\nContent-Length: 2\r\n\r\nok"),
        format!("{HEAD}Content-Length : 2\r\n\r\nok"),
        HEAD.replace("\r\n", "\n") + "Content-Length: 2\n\nok",
        "HTTP/1.0 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
        "HTTP/2 200\r\n\r\n".into(),
        "rubbish".into(),
    ];
    for wire in others {
        for early in ["", EARLY] {
            let wire = format!("{early}{wire}");
            cuts(wire.as_bytes(), |pieces| {
                let outcome = gathered(pieces);
                assert_eq!(outcome.taken, None, "{wire}");
                assert_eq!(outcome.passed, wire.as_bytes(), "{wire}");
                assert!(!outcome.undecided, "{wire}");
            });
        }
    }
}

#[test]
fn what_ends_too_early_passes_as_it_came() {
    for framed in [
        "Content-Length: 16\r\n\r\n0123456789abcdef",
        "Transfer-Encoding: chunked\r\n\r\n10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n",
    ] {
        let wire = format!("{EARLY}{HEAD}{framed}");
        for end in 0..wire.len() {
            let outcome = gathered(&[&wire.as_bytes()[..end]]);
            assert!(outcome.undecided, "cut at {end}");
            assert_eq!(outcome.passed, &wire.as_bytes()[..end]);
        }
    }
}

#[test]
fn what_follows_a_whole_answer_in_one_piece_makes_it_unfit() {
    for framed in [
        "Content-Length: 2\r\n\r\nok",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        let wire = format!("{HEAD}{framed}HTTP/1.1 200 OK\r\n");
        let outcome = gathered(&[wire.as_bytes()]);
        assert_eq!(outcome.passed, wire.as_bytes());
    }
}

#[test]
fn a_head_without_an_end_is_not_kept_for_ever() {
    let wire = format!("{HEAD}X: {}", "x".repeat(HEAD_LIMIT));
    assert!(!gathered(&[wire.as_bytes()]).undecided);
}

#[test]
fn who_is_too_long_is_told_and_who_finds_no_room_passes() {
    let pictures = Arc::new(Pictures::default());
    let long = format!("{HEAD}Content-Length: 61\r\n\r\n");
    let mut gather = Gather::new(pictures.clone());
    assert_eq!(
        gather.put(long.as_bytes()),
        Gathered::Not(long.clone().into())
    );
    assert!(pictures.too_long.load(Ordering::Relaxed));
    let pictures = Arc::new(Pictures::default());
    pictures.full.store(true, Ordering::Relaxed);
    for framing in ["Content-Length: 60", "Transfer-Encoding: chunked"] {
        let wire = format!("{HEAD}{framing}\r\n\r\n");
        let mut gather = Gather::new(pictures.clone());
        assert_eq!(
            gather.put(wire.as_bytes()),
            Gathered::Not(wire.clone().into())
        );
    }
    assert!(!pictures.too_long.load(Ordering::Relaxed));
}

#[test]
fn another_answer_takes_its_place_unless_it_is_empty() {
    let gather = Gather::new(Arc::new(Pictures::default()));
    let mut context = Context::from_waker(Waker::noop());
    let raw = Bytes::from_static(b"raw");
    let mut reworking = gather.rework(raw.clone(), Vec::new(), Bytes::from_static(b"abc"));
    assert_eq!(reworking.poll(&mut context), Poll::Ready("cba".into()));
    let mut reworking = gather.rework(raw.clone(), Vec::new(), Bytes::new());
    assert_eq!(reworking.poll(&mut context), Poll::Ready(raw));
}
