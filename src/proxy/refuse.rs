//! Requests that are refused before they are understood.

use super::connection::Connection;
use super::respond::{Answer, Envelope};
use super::running::Running;
use crate::headers::request_id;
use crate::observe::Entry;
use crate::observe::settings::Destination;
use crate::wire::Fault;
use bytes::Bytes;
use http::header::HeaderValue;
use std::time::{Duration, SystemTime};

/// Answers a fault in a request's head: the bytes to send before the connection is closed. The
/// refusal is counted and written down; nothing of the request is, for none of it can be believed.
pub fn refuse(running: &Running, connection: &Connection, fault: Fault, took: Duration) -> Bytes {
    let edge = running.edge.load();
    let now = SystemTime::now();
    let id = request_id::make(now);
    let envelope = Envelope {
        policy: edge
            .site_for_errors(connection.listener)
            .map(|site| &site.headers),
        request_id: Some(&id),
        timing: None,
        tls: connection.tls(),
    };
    running.metrics.refuse(fault.label());
    let bytes = match Answer::error(fault.status(), None, None, &envelope) {
        Ok(mut answer) => {
            if fault == Fault::Connect {
                // A 405 names what may be done instead (RFC 9110 section 15.5.6).
                let allow =
                    HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
                let _ = answer.head.insert_header("Allow", allow);
            }
            answer.into_bytes(false)
        }
        Err(_) => Bytes::new(),
    };
    if edge.log.access != Destination::Off {
        let entry = Entry {
            time: now,
            site: "",
            route: "",
            client: Some(connection.peer.to_canonical()),
            method: "-",
            host: b"",
            path: b"-",
            query: None,
            status: fault.status(),
            bytes_in: 0,
            bytes_out: bytes.len() as u64,
            duration: took,
            upstream_duration: None,
            upstream: None,
            protocol: "-",
            request_id: id.as_bytes(),
            referrer: b"",
            user_agent: b"",
            fault: Some(fault.label()),
        };
        running.logbook.note(edge.log.format, &entry);
    }
    bytes
}
