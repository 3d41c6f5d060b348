//! What can be wrong with a request before it is understood.

/// A fault of the client's in the framing or the head of a message. The connection cannot be
/// used after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request line is not `method SP target SP HTTP/1.x`.
    RequestLine,
    /// The target has characters that no target has, or a form that is not served.
    Target,
    /// A line ends in LF without CR, or a CR stands alone.
    LineEnd,
    /// A field is continued on a second line (RFC 9112 section 5.2).
    Folded,
    /// A field's name or value has characters that it must not have.
    Field,
    /// No `Host`, several, or one that is no host (RFC 9112 section 3.2).
    Host,
    /// An absolute-form target and `Host` name different hosts.
    HostMismatch,
    /// Both `Content-Length` and `Transfer-Encoding`.
    LengthAndEncoding,
    /// Several `Content-Length` fields, or one that is no number.
    Length,
    /// A `Transfer-Encoding` other than `chunked`, or one in HTTP/1.0.
    Encoding,
    /// A chunk that breaks the framing (RFC 9112 section 7.1).
    Chunk,
    /// The target is longer than the limit.
    UriTooLong,
    /// The head is larger than the limit, or has too many fields.
    HeaderTooLarge,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    Version,
    /// `CONNECT`: parvis is no forward proxy.
    Connect,
    /// The head did not arrive in time.
    HeaderTimeout,
    /// The body stopped arriving.
    BodyTimeout,
    /// The client did not take the answer in time.
    SendTimeout,
    /// The application did not answer, or stopped answering, in time.
    AppTimeout,
    /// Nothing passed an upgraded connection for too long.
    Idle,
    /// The application did not look at the request, and says so (RFC 9113 section 8.7): it may be
    /// sent again, whatever it is.
    Unprocessed,
}

impl Fault {
    /// The status that the fault is answered with.
    pub fn status(self) -> u16 {
        match self {
            Fault::UriTooLong => 414,
            Fault::HeaderTooLarge => 431,
            Fault::Version => 505,
            Fault::Connect => 405,
            Fault::HeaderTimeout | Fault::BodyTimeout | Fault::SendTimeout => 408,
            Fault::AppTimeout | Fault::Idle => 504,
            Fault::Unprocessed => 502,
            _ => 400,
        }
    }

    /// A label for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Fault::RequestLine => "request_line",
            Fault::Target => "target",
            Fault::LineEnd => "line_end",
            Fault::Folded => "folded_field",
            Fault::Field => "field",
            Fault::Host => "host",
            Fault::HostMismatch => "host_mismatch",
            Fault::LengthAndEncoding => "length_and_encoding",
            Fault::Length => "length",
            Fault::Encoding => "encoding",
            Fault::Chunk => "chunk",
            Fault::UriTooLong => "uri_too_long",
            Fault::HeaderTooLarge => "header_too_large",
            Fault::Version => "version",
            Fault::Connect => "connect",
            Fault::HeaderTimeout => "header_timeout",
            Fault::BodyTimeout => "body_timeout",
            Fault::SendTimeout => "send_timeout",
            Fault::AppTimeout => "app_timeout",
            Fault::Idle => "idle",
            Fault::Unprocessed => "unprocessed",
        }
    }

    /// The fault as an I/O error, the only kind that passes through pingora unchanged.
    pub fn into_io(self) -> std::io::Error {
        let kind = match self {
            Fault::BodyTimeout | Fault::SendTimeout | Fault::AppTimeout | Fault::Idle => {
                std::io::ErrorKind::TimedOut
            }
            Fault::Unprocessed => std::io::ErrorKind::ConnectionReset,
            _ => std::io::ErrorKind::InvalidData,
        };
        std::io::Error::new(kind, self)
    }

    /// The fault in an error's chain of causes, if one is there.
    pub fn in_chain(error: &(dyn std::error::Error + 'static)) -> Option<Fault> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(fault) = error.downcast_ref::<Fault>() {
                return Some(*fault);
            }
            if let Some(io) = error.downcast_ref::<std::io::Error>()
                && let Some(fault) = io.get_ref().and_then(|inner| inner.downcast_ref::<Fault>())
            {
                return Some(*fault);
            }
            cause = error.source();
        }
        None
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.label())
    }
}

impl std::error::Error for Fault {}
