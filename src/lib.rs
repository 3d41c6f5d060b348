//! parvis is one binary that stands in front of a web site. A request comes in at one side, leaves
//! at the other, and every room that it passes does one thing. This page is the map.
//!
//! # The rooms
//!
//! From the top down; a room knows only rooms below it.
//!
//! [`command`]: one file per subcommand (`run`, `check`, `reload`, `explain`, `precompress`, `media`, `visits`,
//! `certs`, `demo`).
//! Arguments in, an exit code out. `run` is the life of the process: bind everything, start the workers, act on
//! signals, end.
//!
//! [`admin`]: the operator's side. The HTTP interface (`/metrics`, `/status`, `/reload`, `/health`,
//! `/dashboard` and the questions behind it), putting a new configuration in force, watching its
//! files, looking after certificates. Runs on the main thread's own runtime, away from requests.
//!
//! [`listen`]: clients' connections. The only room that binds. A worker is a thread with its own
//! runtime, its own sockets (SO_REUSEPORT), its own engine and its own pool of connections to
//! servers: a request is served on the thread that accepted its connection. A newcomer is named (PROXY
//! protocol), counted, and shakes hands (TLS). `ClientStream` is a connection as pingora is given it;
//! every byte that pingora sees was checked here. Its carrier is a socket, a socket under TLS, or a
//! stream of HTTP/2, which is given on as a connection of HTTP/1 with one request.
//!
//! [`proxy`]: a request's way through the rooms, and the only `impl ProxyHttp`. It alone knows the
//! order of the rooms. One function builds answers of our own (`respond`), one turns errors into
//! statuses (`status`), one writes down what happened (`record`).
//!
//! [`edge`]: settings -> [`edge::Edge`], the immutable snapshot that a request works with. Also where
//! the tables of all rooms are put together (`edge::settings`).
//!
//! The feature rooms, which do not know each other:
//! [`route`] (host and path to route), [`upstream`] (servers, turns, health, names, connections to
//! them, of HTTP/1 each for one request at a time, of HTTP/2 for many), [`headers`] (who the client
//! is, request ids, presets, `Cache-Control`), [`answer`] (redirects and fixed answers), [`files`]
//! (a path to a file, its conditions and ranges, what is kept in memory), [`media`] (a picture in
//! the size and format that a visitor needs: what is wanted, how it is made and by whom, where it
//! is kept; and pages told of it), [`compress`] (what is encoded, in which coding, and the
//! encoders), [`tls`] (which certificate a client sees, who it is, with what it comes back;
//! certificates from files and by ACME), [`visits`] (who is a guest, from where, what is kept and
//! sent of it, and what is told), [`observe`] (metrics, the access log, parvis's own log).
//!
//! [`content`]: names of content codings, and the encoded forms of one body. `files` keeps them,
//! `compress` makes them, and neither has to know the other.
//!
//! [`wire`]: protocols as bytes: heads of HTTP/1 judged, chunks followed, trailers carried, targets
//! normalised, time-outs that cost nothing while they are not needed; frames of HTTP/2 counted, its
//! streams spelled as HTTP/1, and whose turn it is among them; the PROXY protocol; connections
//! counted. No sockets, no configuration.
//!
//! `nice`: a thread's priority. What works beside requests, in `compress`, `media` and `visits`, lets
//! them go first.
//!
//! [`config`]: the language of the configuration. TOML with places, secrets, units, patterns; the
//! `table!` macro that makes one definition serve as parser, defaults and reference; mistakes shown
//! like a compiler shows them. Knows no table.
//!
//! # The way of a request
//!
//! ```text
//! socket -> PROXY header -> room for one more? -> TLS: the site by its name     (newcomer)
//!   -> HTTP/2: each stream becomes a connection of one request   (http2)
//!   -> ClientStream reads the head; wire judges it               (a fault: answered, closed)
//!   -> pingora parses it; proxy::service begins
//!   -> Edge snapshot (one ArcSwap load, held to the end)
//!   -> an authority's question about a name                      (challenge)
//!   -> client address -> request id -> site -> its certificate? -> route   (admit)
//!        -> redirect | fixed answer | error page                 (answered here)
//!        -> file: found; a picture: its variant                  (picture)
//!           -> conditions, ranges, the best form                 (file)
//!        -> server chosen -> ServerStream -> forwarded fields -> app   (forward)
//!   <- a picture: gathered, a variant in its place               (picture_of_app)
//!   <- answer's fields: app's, site's and route's set and default, presets, remove
//!   <- a page: its images helped                                 (pages)
//!   <- coding decided; the body encoded piece by piece           (encode)
//!   <- ClientStream -> client
//!   -> counts, one line for the log, a page view                 (record)
//! ```
//!
//! # Where the plan was changed in building
//!
//! * The tables are put together in `edge`, not in `config`: rooms declare their tables with
//!   `config`'s macro, so `config` naming the rooms would close a circle.
//! * Tables are not serde structs. serde's derived deserialisers stop at the first mistake, and an
//!   operator is shown all of them in one go.
//! * `wire` and `answer` are rooms of their own: two sides of a connection need the first, and
//!   redirects and fixed answers belonged to nobody.
//! * Configuration files are watched by looking at them twice a second, not by notifications: that sees network
//!   file systems, symbolic links and renames alike, and needs no further crate.
//!
//! * `content` is a room of its own, for the reason given above.
//! * Certificates of ACME are swapped where handshakes look for them; those from files are part of the
//!   configuration: a changed file is a reload, all or nothing, told and counted like any other.
//! * A variant of a picture that is not there is waited for within the request, not answered with a
//!   redirect or a 202: pages need nothing but an address. What cannot be waited for (a full queue,
//!   AVIF) is made for those who come later.
//! * A page view is not sent to the worker by itself but in a buffer of its thread's, as a line of
//!   the access log is: that costs a tenth of a send. And it is not the queue that is kept on disk
//!   when a sink is away: a log on disk is what all sinks are fed from, always, so that there is
//!   one way and not two.
//!
//! # Where pingora stands in the way, and how it is met
//!
//! * Its parser forgives what a proxy must not (bare LF, both lengths, odd encodings, ...): heads are
//!   judged in [`wire::head`] before it sees them, chunks in [`wire::chunked`].
//! * It has no deadline for a whole head, one time-out per read, and none that tell the first byte
//!   from the next: time-outs are the streams' own ([`wire::Patience`]).
//! * It drops trailers: both streams carry them past it ([`wire::Exchange`]).
//! * It flushes a body of known length when all of it was written: the streams flush when it waits.
//! * It fails a request when the client pipelines the next one: `ClientStream` keeps what comes early.
//! * It closes a connection with unread bytes, whose reset eats the answer: closed slowly instead.
//! * It carries both directions of a WebSocket in one loop that waits for every write, and may take
//!   the end of an empty request for the end of the WebSocket (its issue 946): after a 101 the bytes
//!   go by [`wire::tunnel`], past it.
//! * Its pool of idle connections costs a task, a shared map and a `getpeername` per request: the
//!   pool is a worker's own ([`upstream::pool`]), filled when pingora looks whether a connection is
//!   still quiet.
//! * It makes a proxy with connections of one's own only inside of a service: `proxy::engine` takes
//!   it out. (The other uses of `unsafe`: `listen::open`, `nice`, `visits::geo::mapped`, libwebp's.)
//! * It writes bodies only from memory: while a file is lent to [`wire::Exchange`], what pingora
//!   writes stands for so many bytes of it, and `ClientStream` has the kernel send those.
//! * Its HTTP/2 has no way to an upgrade, to trailers or to time-outs of ours: it is given HTTP/1
//!   only, and streams are turned into that and back in [`listen`], and for apps that speak HTTP/2 in
//!   [`upstream`]. That costs about a microsecond, and gives HTTP/2 all that HTTP/1 has.
//! * It takes no more of an answer while the app takes no more of the request, and an app that answers
//!   as it reads waits for the former: to an app of HTTP/2 writing never waits, and `ClientStream`
//!   reads no more of a request than that app takes ([`wire::Exchange`]).
//! * Its body filter cannot wait, and is not called while the app is silent: `ClientStream`, which
//!   pingora reads meanwhile, releases what an encoder holds back.
//! * Nor can it give an answer another head once the body was seen: `ServerStream` gathers an app's
//!   picture before pingora sees any of it, and gives the variant as what the app sent
//!   ([`upstream::Rework`]); what is no picture passes as it comes.
//! * It forwards `Expect` and waits for the app's 100, which many apps never send: answered here.
//! * It sends chunks to HTTP/1.0 clients: taken out in `proxy::forward`.
//! * It asks DNS while a request waits, and unwraps: it is given addresses only ([`upstream`]).
//! * Its errors quote heads, cookies included, and it logs each client that goes away: silenced,
//!   `proxy` says what matters.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

pub mod admin;
pub mod answer;
pub mod command;
pub mod compress;
pub mod config;
pub mod content;
pub mod edge;
pub mod files;
pub mod headers;
pub mod listen;
pub mod media;
mod nice;
pub mod observe;
pub mod proxy;
pub mod route;
pub mod tls;
pub mod upstream;
pub mod visits;
pub mod wire;
