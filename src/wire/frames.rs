//! Watching an HTTP/2 connection for what costs the server and brings the client nothing.
//!
//! Every attack on HTTP/2 of the last years was made of legal frames, only too many of them: streams
//! opened and reset (CVE-2023-44487), streams that the server had to reset (MadeYouReset,
//! CVE-2025-8671), header blocks that do not end (CVE-2024-27316), and pings, settings, priorities,
//! empty DATA and tiny windows (CVE-2019-9511 to 9518). The HTTP/2 library bounds the memory of some
//! of them; here their number is bounded, by frame headers alone (RFC 9113 section 4.1).
//!
//! Each kind has a leaky bucket. It fills with time and with what an honest client does besides: a
//! WINDOW_UPDATE is paid by the DATA it answers, a PING that measures the bandwidth by the frame that
//! was sent just before. So a busy connection has much credit and an idle one little. The numbers
//! stand beside each kind, with what honest clients do and what other servers allow.

mod marks;
mod reader;

use marks::Marks;
use reader::{Frame, Frames, kind};
use std::time::{Duration, Instant};

/// What there was too much of. The connection has to be ended (ENHANCE_YOUR_CALM).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flood {
    /// Streams that the client opened and reset before they were answered (CVE-2023-44487).
    Resets,
    /// Streams that we had to reset for the client's errors (CVE-2025-8671).
    Provoked,
    /// A header block in too many, too small or empty CONTINUATION frames (CVE-2024-27316).
    Continuations,
    /// SETTINGS (CVE-2019-9515).
    Settings,
    /// PING (CVE-2019-9512).
    Pings,
    /// DATA without a byte in it that does not end its stream (CVE-2019-9518).
    EmptyData,
    /// PRIORITY and PRIORITY_UPDATE (CVE-2019-9513).
    Priorities,
    /// WINDOW_UPDATE, more than DATA was sent for, or by a few bytes each (CVE-2019-9511).
    Windows,
    /// Frames of kinds that are not known or that a client has no use for.
    Unknown,
}

impl Flood {
    /// A label for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Flood::Resets => "resets",
            Flood::Provoked => "provoked_resets",
            Flood::Continuations => "continuations",
            Flood::Settings => "settings",
            Flood::Pings => "pings",
            Flood::EmptyData => "empty_data",
            Flood::Priorities => "priorities",
            Flood::Windows => "window_updates",
            Flood::Unknown => "unknown_frames",
        }
    }
}

impl std::fmt::Display for Flood {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.label())
    }
}

impl std::error::Error for Flood {}

/// How much a bucket holds and how fast it fills.
struct Measure {
    /// Full at the start; time fills up to here.
    burst: u32,
    /// Filled in by time.
    per_second: u32,
    /// What the client does besides fills up to here.
    most: u32,
}

/// A browser that leaves a page resets what the page still loads, up to a hundred streams at once,
/// and may do so for every page of a quick walk. nghttp2 (Apache, Node) has the same 1000 and 33,
/// Envoy 500 in all, Netty 200 in 30 s. Each answer of which a part was sent gives one back: a client that
/// ends gRPC streams or event streams by a reset after their answer is never counted.
const RESETS: Measure = Measure::of(1_000, 33, 1_000);
/// An honest client makes none. A library's bug may make one per request; h2 itself ends the
/// connection at 1024 in all, Netty at 200 in 30 s.
const PROVOKED: Measure = Measure::of(200, 5, 200);
/// One at the start. gRPC sends another when its estimate of the bandwidth grew, some ten in all.
const SETTINGS: Measure = Measure::of(100, 2, 100);
/// Keep-alive pings come every 10 s or less often. gRPC measures bandwidth with one PING at a time,
/// sent when DATA or HEADERS came: at most one per frame of ours. Go sends one with each reset.
const PINGS: Measure = Measure::of(100, 5, 2_000);
/// Some libraries flush with an empty frame, once or twice per body. Envoy allows one in a row,
/// Netty two, h2 a hundred in all.
const EMPTY: Measure = Measure::of(100, 10, 1_000);
/// Old Firefox sends six at the start and one with each request; Safari and Chromium tell anew what
/// came into view, several times per image. Envoy allows a hundred per stream.
const PRIORITIES: Measure = Measure::of(1_000, 50, 2_000);
/// Most clients answer half a window of DATA with one. The most talkative (Go in pieces of 4 KiB,
/// naive ones after each read) send one for the stream and one for the connection per read, and that
/// late: after the whole window was sent. So credit is kept long; it was paid with bytes sent.
const WINDOWS: Measure = Measure::of(1_000, 100, 1 << 24);
/// An update by fewer bytes than a frame's header has is hardly ever honest: only by a naive client
/// whose every message is that short (keys pressed in a terminal over WebSocket). DATA pays nothing
/// here, for whoever dribbles has as many DATA frames sent to him.
const TINY: Measure = Measure::of(5_000, 1_000, 5_000);
/// Chromium sends a frame of a made-up kind with each request (GREASE).
const UNKNOWN: Measure = Measure::of(100, 10, 1_000);

/// WINDOW_UPDATE by fewer bytes is tiny.
const TINY_INCREMENT: u32 = 8;
/// DATA of so many bytes pays for one WINDOW_UPDATE, besides [`WINDOWS_PER_FRAME`].
const BYTES_PER_WINDOW: u32 = 256;
/// One for the stream, one for the connection.
const WINDOWS_PER_FRAME: u32 = 2;
/// New streams are told their window with the request, by some.
const WINDOWS_PER_REQUEST: u32 = 4;
const PRIORITIES_PER_REQUEST: u32 = 10;
const UNKNOWN_PER_REQUEST: u32 = 4;
/// A frame of SETTINGS costs one more for each so many settings; ten are defined.
const SETTINGS_PER_COST: u32 = 16;

/// CONTINUATION frames in a row: full ones would be one MiB of header block, more than any limit
/// on heads. nghttp2 allows 8 of any size.
const CONTINUATIONS: u8 = 64;
/// Of those, such as carry less than [`SMALL_CONTINUATION`]: no encoder writes them, but some
/// programmes that test do. Netty allows 16.
const SMALL_CONTINUATIONS: u8 = 8;
const SMALL_CONTINUATION: u32 = 1_024;

impl Measure {
    const fn of(burst: u32, per_second: u32, most: u32) -> Self {
        Measure {
            burst,
            per_second,
            most,
        }
    }
}

/// A leaky bucket. Time is looked at only when something is taken out.
#[derive(Debug)]
struct Bucket {
    /// In thousandths, for a rate per second is as many thousandths per millisecond.
    level: u64,
    filled: Option<Instant>,
}

const WHOLE: u64 = 1_000;

impl Bucket {
    fn full(measure: &Measure) -> Self {
        Bucket {
            level: u64::from(measure.burst).saturating_mul(WHOLE),
            filled: None,
        }
    }

    fn credit(&mut self, measure: &Measure, count: u32) {
        let most = u64::from(measure.most).saturating_mul(WHOLE);
        let more = u64::from(count).saturating_mul(WHOLE);
        self.level = self.level.saturating_add(more).min(most);
    }

    fn spend(
        &mut self,
        measure: &Measure,
        cost: u32,
        now: Instant,
        flood: Flood,
    ) -> Result<(), Flood> {
        let since = now.saturating_duration_since(*self.filled.get_or_insert(now));
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        if millis > 0 {
            // What is less than a millisecond counts the next time.
            let rest = Duration::from_nanos(u64::from(since.subsec_nanos()) % 1_000_000);
            self.filled = now.checked_sub(rest);
            let burst = u64::from(measure.burst).saturating_mul(WHOLE);
            let more = millis.saturating_mul(u64::from(measure.per_second));
            self.level = self.level.max(self.level.saturating_add(more).min(burst));
        }
        let cost = u64::from(cost).saturating_mul(WHOLE);
        self.level = self.level.checked_sub(cost).ok_or(flood)?;
        Ok(())
    }
}

/// Both directions of one HTTP/2 connection, followed by frame headers. Some 500 bytes.
#[derive(Debug)]
pub struct Watch {
    theirs: Frames,
    ours: Frames,
    over: Option<Flood>,
    resets: Bucket,
    provoked: Bucket,
    settings: Bucket,
    pings: Bucket,
    empty: Bucket,
    priorities: Bucket,
    windows: Bucket,
    tiny: Bucket,
    unknown: Bucket,
    /// CONTINUATION frames of the header block that is open, and the small ones of them.
    continuations: (u8, u8),
    reset: Marks,
    /// Streams whose answer has begun.
    begun: Marks,
}

impl Default for Watch {
    fn default() -> Self {
        Watch {
            theirs: Frames::default(),
            ours: Frames::default(),
            over: None,
            resets: Bucket::full(&RESETS),
            provoked: Bucket::full(&PROVOKED),
            settings: Bucket::full(&SETTINGS),
            pings: Bucket::full(&PINGS),
            empty: Bucket::full(&EMPTY),
            priorities: Bucket::full(&PRIORITIES),
            windows: Bucket::full(&WINDOWS),
            tiny: Bucket::full(&TINY),
            unknown: Bucket::full(&UNKNOWN),
            continuations: (0, 0),
            reset: Marks::default(),
            begun: Marks::default(),
        }
    }
}

impl Watch {
    /// Follows bytes from the client, from its first one on, the preface (RFC 9113 section 3.4)
    /// included or not. What is no HTTP/2 is followed as if it were: refusing it is the library's.
    ///
    /// # Errors
    /// What there is too much of. From then on, always.
    pub fn saw(&mut self, bytes: &[u8], now: Instant) -> Result<(), Flood> {
        self.over.map_or(Ok(()), Err)?;
        let mut rest = bytes;
        self.theirs.preface(rest.first().copied());
        while let Some(frame) = self.theirs.next(&mut rest) {
            self.received(&frame, now)
                .inspect_err(|flood| self.over = Some(*flood))?;
        }
        Ok(())
    }

    /// Follows bytes that we send.
    ///
    /// # Errors
    /// [`Flood::Provoked`], or what [`Watch::saw`] told before.
    pub fn sent(&mut self, bytes: &[u8], now: Instant) -> Result<(), Flood> {
        self.over.map_or(Ok(()), Err)?;
        let mut rest = bytes;
        while let Some(frame) = self.ours.next(&mut rest) {
            match frame.kind {
                kind::DATA => {
                    self.pings.credit(&PINGS, 1);
                    self.answered(&frame);
                    let updates = frame.length / BYTES_PER_WINDOW;
                    let updates = updates.saturating_add(WINDOWS_PER_FRAME);
                    self.windows.credit(&WINDOWS, updates);
                }
                // The request is answered, or at least its answer begun.
                kind::HEADERS => {
                    self.pings.credit(&PINGS, 1);
                    // An interim answer is none, and costs the client nothing.
                    if frame.ends_stream() {
                        self.answered(&frame);
                    }
                }
                kind::RST_STREAM => self
                    .had_to_reset(&frame, now)
                    .inspect_err(|flood| self.over = Some(*flood))?,
                _ => {}
            }
        }
        Ok(())
    }

    /// What there was too much of, or else what there was most of, against what may be. For when a
    /// connection was ended for a reason that does not name it. `None` when nothing stands out.
    pub fn most(&self) -> Option<Flood> {
        let spent = |bucket: &Bucket, measure: &Measure, flood| {
            let burst = u64::from(measure.burst).saturating_mul(WHOLE);
            let spent = burst.saturating_sub(bucket.level);
            (spent.saturating_mul(WHOLE) / burst.max(1), flood)
        };
        let (continued, _) = self.continuations;
        let all = [
            // A header block in several frames is rare, and the library takes fewer of them.
            (
                u64::from(continued).saturating_mul(WHOLE / 4),
                Flood::Continuations,
            ),
            spent(&self.resets, &RESETS, Flood::Resets),
            spent(&self.provoked, &PROVOKED, Flood::Provoked),
            spent(&self.settings, &SETTINGS, Flood::Settings),
            spent(&self.pings, &PINGS, Flood::Pings),
            spent(&self.empty, &EMPTY, Flood::EmptyData),
            spent(&self.priorities, &PRIORITIES, Flood::Priorities),
            spent(&self.windows, &WINDOWS, Flood::Windows),
            spent(&self.tiny, &TINY, Flood::Windows),
            spent(&self.unknown, &UNKNOWN, Flood::Unknown),
        ];
        let most = all.into_iter().max_by_key(|(spent, _)| *spent);
        // Every connection spends a little.
        let most = most.filter(|(spent, _)| *spent > WHOLE / 10);
        self.over.or(most.map(|(_, flood)| flood))
    }

    /// A request was answered, at least in part: its client may take back another.
    fn answered(&mut self, frame: &Frame) {
        if !self.begun.mark(frame.stream) {
            self.resets.credit(&RESETS, 1);
        }
    }

    fn had_to_reset(&mut self, frame: &Frame, now: Instant) -> Result<(), Flood> {
        // DATA under way when a stream was reset may have it reset again, once per frame.
        let again = self.reset.mark(frame.stream);
        // NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL (RFC 9113 section 7): reasons of ours.
        if again || matches!(frame.word(), 0x0 | 0x2 | 0x7 | 0x8) {
            return Ok(());
        }
        self.provoked.spend(&PROVOKED, 1, now, Flood::Provoked)
    }

    fn received(&mut self, frame: &Frame, now: Instant) -> Result<(), Flood> {
        if frame.kind == kind::CONTINUATION {
            return self.continued(frame);
        }
        self.continuations = (0, 0);
        match frame.kind {
            kind::DATA => {
                if frame.carries_nothing() && !frame.ends_stream() {
                    return self.empty.spend(&EMPTY, 1, now, Flood::EmptyData);
                }
                // Whoever uploads may measure the bandwidth too.
                if frame.length >= 1_024 {
                    self.pings.credit(&PINGS, 1);
                }
                Ok(())
            }
            kind::HEADERS => {
                self.priorities.credit(&PRIORITIES, PRIORITIES_PER_REQUEST);
                self.windows.credit(&WINDOWS, WINDOWS_PER_REQUEST);
                self.unknown.credit(&UNKNOWN, UNKNOWN_PER_REQUEST);
                self.empty.credit(&EMPTY, 1);
                Ok(())
            }
            kind::PRIORITY | kind::PRIORITY_UPDATE => {
                self.priorities
                    .spend(&PRIORITIES, 1, now, Flood::Priorities)
            }
            kind::RST_STREAM => {
                self.pings.credit(&PINGS, 1);
                self.resets.spend(&RESETS, 1, now, Flood::Resets)
            }
            kind::SETTINGS => {
                let settings = frame.length / 6;
                let cost = (settings / SETTINGS_PER_COST).saturating_add(1);
                self.settings.spend(&SETTINGS, cost, now, Flood::Settings)
            }
            kind::PING => self.pings.spend(&PINGS, 1, now, Flood::Pings),
            kind::WINDOW_UPDATE => {
                // The highest bit is reserved (RFC 9113 section 6.9).
                if frame.word() & 0x7fff_ffff < TINY_INCREMENT {
                    return self.tiny.spend(&TINY, 1, now, Flood::Windows);
                }
                self.windows.spend(&WINDOWS, 1, now, Flood::Windows)
            }
            _ => self.unknown.spend(&UNKNOWN, 1, now, Flood::Unknown),
        }
    }

    fn continued(&mut self, frame: &Frame) -> Result<(), Flood> {
        if frame.ends_headers() {
            self.continuations = (0, 0);
            return Ok(());
        }
        let (all, small) = &mut self.continuations;
        *all = all.saturating_add(1);
        if frame.length < SMALL_CONTINUATION {
            // An empty one has no excuse: the second is too much.
            let cost = if frame.length == 0 {
                SMALL_CONTINUATIONS / 2
            } else {
                1
            };
            *small = small.saturating_add(cost);
        }
        if *all > CONTINUATIONS || *small >= SMALL_CONTINUATIONS {
            return Err(Flood::Continuations);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
