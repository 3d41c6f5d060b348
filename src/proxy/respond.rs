//! The one place that builds answers of our own.

use super::connection::Connection;
use super::send_file;
use crate::content::Coding;
use crate::files::OpenFile;
use crate::headers::HeaderPolicy;
use bytes::{BufMut, Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use std::ops::Range;
use std::sync::Arc;

/// An answer of our own.
#[derive(Debug)]
pub struct Answer {
    /// Its head, with its length.
    pub head: ResponseHeader,
    /// Its body.
    pub body: Body,
}

/// A body of our own.
#[derive(Debug)]
pub enum Body {
    /// None.
    None,
    /// In memory.
    Whole(Bytes),
    /// One part after another.
    Parts(Vec<Part>),
    /// A file that is encoded while it is sent; how long that will be is not known.
    Encoded(Arc<OpenFile>, Coding),
}

/// A part of a body.
#[derive(Debug)]
pub enum Part {
    /// In memory.
    Bytes(Bytes),
    /// Bytes of a file.
    File(Arc<OpenFile>, Range<u64>),
}

/// What every answer carries.
#[derive(Debug, Clone)]
pub struct Envelope<'a> {
    /// The fields that the configuration gives answers.
    pub policy: Option<&'a HeaderPolicy>,
    /// `X-Request-ID`.
    pub request_id: Option<&'a HeaderValue>,
    /// `Server-Timing`.
    pub timing: Option<String>,
    /// Whether the client's connection is encrypted.
    pub tls: bool,
}

impl Answer {
    /// An answer with a body.
    ///
    /// # Errors
    /// A status outside of 100 to 999.
    pub fn new(
        status: u16,
        content_type: &HeaderValue,
        body: Bytes,
        envelope: &Envelope<'_>,
    ) -> pingora::Result<Self> {
        let mut head = ResponseHeader::build(status, Some(12))?;
        if !matches!(status, 204 | 304) {
            head.insert_header(CONTENT_LENGTH, HeaderValue::from(body.len()))?;
        }
        if !body.is_empty() {
            head.insert_header(CONTENT_TYPE, content_type.clone())?;
        }
        Answer::with(head, Body::Whole(body), envelope)
    }

    /// An answer of which all is known.
    ///
    /// # Errors
    /// More fields than a header map holds.
    pub fn with(
        head: ResponseHeader,
        body: Body,
        envelope: &Envelope<'_>,
    ) -> pingora::Result<Self> {
        Answer { head, body }.enveloped(envelope)
    }

    /// A redirect.
    ///
    /// # Errors
    /// A status outside of 100 to 999.
    pub fn redirect(
        status: u16,
        to: HeaderValue,
        envelope: &Envelope<'_>,
    ) -> pingora::Result<Self> {
        let mut head = ResponseHeader::build(status, Some(12))?;
        head.insert_header(CONTENT_LENGTH, HeaderValue::from(0))?;
        head.insert_header("Location", to)?;
        Answer {
            head,
            body: Body::None,
        }
        .enveloped(envelope)
    }

    /// A short page about an error, in HTML or JSON by what the client accepts. It tells the
    /// status and the request's id, and nothing of what lies behind.
    ///
    /// # Errors
    /// A status outside of 100 to 999.
    pub fn error(
        status: u16,
        accept: Option<&HeaderMap>,
        retry_after: Option<u64>,
        envelope: &Envelope<'_>,
    ) -> pingora::Result<Self> {
        let id = envelope.request_id.map_or(&b""[..], HeaderValue::as_bytes);
        let (content_type, body) = if accept.is_some_and(prefers_json) {
            ("application/json", json_page(status, id))
        } else {
            ("text/html; charset=utf-8", html_page(status, id))
        };
        let content_type = HeaderValue::from_static(content_type);
        let mut answer = Answer::new(status, &content_type, Bytes::from(body), envelope)?;
        if let Some(seconds) = retry_after {
            answer
                .head
                .insert_header("Retry-After", HeaderValue::from(seconds))?;
        }
        Ok(answer)
    }

    fn enveloped(mut self, envelope: &Envelope<'_>) -> pingora::Result<Self> {
        if let Some(id) = envelope.request_id {
            self.head.insert_header("X-Request-ID", id.clone())?;
        }
        if let Some(timing) = &envelope.timing {
            self.head.insert_header("Server-Timing", timing.as_str())?;
        }
        if let Some(policy) = envelope.policy {
            policy.apply(&mut self.head, envelope.tls)?;
        }
        Ok(self)
    }

    /// Sends the answer; an unread body of the request closes the connection after it.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn send(
        mut self,
        session: &mut Session,
        connection: Option<&Connection>,
    ) -> pingora::Result<()> {
        let head_only = session.req_header().method == Method::HEAD;
        let bodiless = head_only
            || match &self.body {
                Body::None => true,
                Body::Whole(bytes) => bytes.is_empty(),
                Body::Parts(_) | Body::Encoded(..) => false,
            };
        if matches!(self.body, Body::Encoded(..)) && !head_only {
            // An HTTP/1.0 client knows no chunks: its answer ends with the connection.
            match session.req_header().version {
                Version::HTTP_11 => {
                    let chunked = HeaderValue::from_static("chunked");
                    self.head.insert_header(TRANSFER_ENCODING, chunked)?;
                }
                _ => session.set_keepalive(None),
            }
        }
        session
            .write_response_header(Box::new(self.head), bodiless)
            .await?;
        if bodiless {
            return session.write_response_body(None, true).await;
        }
        match self.body {
            Body::None => {}
            Body::Whole(bytes) => return session.write_response_body(Some(bytes), true).await,
            Body::Parts(parts) => {
                // Bytes of a file can go past this process only as they are.
                let plain = connection.filter(|connection| !connection.tls() && !connection.http2);
                let exchange = plain.map(|connection| &*connection.exchange);
                let mut first = true;
                for part in parts {
                    match part {
                        Part::Bytes(bytes) => {
                            session.write_response_body(Some(bytes), false).await?;
                        }
                        Part::File(open, range) => {
                            send_file::send(session, exchange, &open, range, first).await?;
                            first = false;
                        }
                    }
                }
            }
            Body::Encoded(open, coding) => {
                send_file::send_encoded(session, &open, coding).await?;
            }
        }
        session.write_response_body(None, true).await
    }

    /// The answer's bytes, for a connection that is closed after it. `Date` is left out, as a
    /// server without a clock may (RFC 9110 section 6.6.1).
    pub fn into_bytes(self, bodiless: bool) -> Bytes {
        let mut out = BytesMut::with_capacity(512);
        let reason = self.head.status.canonical_reason().unwrap_or("Error");
        out.put_slice(format!("HTTP/1.1 {} {reason}\r\n", self.head.status.as_u16()).as_bytes());
        self.head.header_to_h1_wire(&mut out);
        out.put_slice(b"Connection: close\r\n\r\n");
        if let (false, Body::Whole(body)) = (bodiless, &self.body) {
            out.put_slice(body);
        }
        out.freeze()
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request could not be understood.",
        403 => "This may not be read.",
        404 => "There is nothing here.",
        405 => "This cannot be done here.",
        412 => "This has changed in the meantime.",
        408 => "The request took too long to arrive.",
        413 => "The request is larger than this site takes.",
        414 => "The address is longer than this site takes.",
        421 => "This server does not answer for that site.",
        422 => "This picture is broken.",
        431 => "The request has more or larger fields than this site takes.",
        502 => "The application behind this site cannot be reached.",
        503 => "The application behind this site is not available just now.",
        504 => "The application behind this site took too long to answer.",
        505 => "This version of HTTP is not spoken here.",
        _ => "Something went wrong.",
    }
}

fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status)
        .ok()
        .and_then(|s| s.canonical_reason())
        .unwrap_or("Error")
}

fn html_page(status: u16, id: &[u8]) -> String {
    let id: String = String::from_utf8_lossy(id)
        .chars()
        .map(|c| match c {
            '&' => "&amp;".to_string(),
            '<' => "&lt;".to_string(),
            '>' => "&gt;".to_string(),
            '"' => "&quot;".to_string(),
            '\'' => "&#39;".to_string(),
            c => c.to_string(),
        })
        .collect();
    let note = if id.is_empty() {
        String::new()
    } else {
        format!("<p><small>Request {id}</small></p>\n")
    };
    let (reason, meaning) = (reason(status), meaning(status));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{status} {reason}</title>\n<h1>{status} {reason}</h1>\n<p>{meaning}</p>\n{note}</html>\n"
    )
}

fn json_page(status: u16, id: &[u8]) -> String {
    let page = serde_json::json!({
        "status": status,
        "error": reason(status),
        "message": meaning(status),
        "request_id": String::from_utf8_lossy(id),
    });
    format!("{page}\n")
}

/// Whether a client would rather have JSON than HTML (RFC 9110 section 12.5.1).
pub fn prefers_json(headers: &HeaderMap) -> bool {
    let (mut html, mut json) = ((0u8, 0u16), (0u8, 0u16));
    for field in headers.get_all(ACCEPT) {
        for range in field.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';');
            let kind = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
            let quality = parts.find_map(|p| p.trim().strip_prefix("q=").map(thousandths));
            let quality = quality.unwrap_or(1000);
            // A more specific range decides over a less specific one.
            let note = |best: &mut (u8, u16), specific: u8| {
                if specific > best.0 {
                    *best = (specific, quality);
                }
            };
            match kind.as_str() {
                "text/html" => note(&mut html, 3),
                "text/*" => note(&mut html, 2),
                "application/json" => note(&mut json, 3),
                "application/*" => note(&mut json, 2),
                "*/*" => {
                    note(&mut html, 1);
                    note(&mut json, 1);
                }
                _ => {}
            }
        }
    }
    json.1 > html.1 || (json.1 == html.1 && json.0 > html.0)
}

fn thousandths(quality: &str) -> u16 {
    let (whole, fraction) = quality
        .trim()
        .split_once('.')
        .unwrap_or((quality.trim(), ""));
    if whole == "1" {
        return 1000;
    }
    format!("{fraction:0<3}")
        .get(..3)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(accept: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        prefers_json(&headers)
    }

    #[test]
    fn json_is_for_those_who_ask_for_it() {
        assert!(json("application/json"));
        assert!(json("application/json, text/html;q=0.5, */*;q=0.1"));
        assert!(json("application/json, */*"));
        assert!(!json("text/html,application/xhtml+xml,*/*;q=0.8"));
        assert!(!json("*/*") && !json("") && !json("image/png"));
        assert!(!json("text/html, application/json;q=0.9"));
    }

    #[test]
    fn an_id_cannot_break_a_page() {
        assert!(!html_page(502, b"<script>").contains("<script>"));
        let value: serde_json::Value = serde_json::from_str(&json_page(502, b"\"}")).unwrap();
        assert_eq!(value["request_id"], "\"}");
    }

    #[test]
    fn raw_answers_are_whole() {
        let envelope = Envelope {
            policy: None,
            request_id: None,
            timing: None,
            tls: false,
        };
        let answer = Answer::error(400, None, None, &envelope).unwrap();
        let text = String::from_utf8(answer.into_bytes(false).to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        assert!(
            head.contains(&format!("Content-Length: {}\r\n", body.len())),
            "{head}"
        );
        assert!(head.ends_with("Connection: close"), "{head}");
    }
}
