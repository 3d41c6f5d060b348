//! The one function that turns an error into a status.

use crate::wire::Fault;
use pingora::{Error, ErrorSource, ErrorType};

/// What an error means to the client and to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The status to answer with; 0 when nobody is there to be answered.
    pub status: u16,
    /// The kind, for logs and metrics.
    pub kind: &'static str,
}

/// The fault of ours at the root of an error, if one is there.
pub fn fault(error: &Error) -> Option<Fault> {
    let io = error.root_cause().downcast_ref::<std::io::Error>()?;
    io.get_ref()?.downcast_ref::<Fault>().copied()
}

/// Decides: the client's faults are 4xx, the app's 502, 503 or 504, ours 500.
pub fn verdict(error: &Error) -> Verdict {
    if let ErrorType::HTTPStatus(status) = error.etype() {
        return Verdict {
            status: *status,
            kind: status_kind(*status),
        };
    }
    if let Some(fault) = fault(error) {
        // Who does not take the answer, or is silent after an upgrade, is past being answered.
        let status = if matches!(fault, Fault::SendTimeout | Fault::Idle) {
            0
        } else {
            fault.status()
        };
        return Verdict {
            status,
            kind: fault.label(),
        };
    }
    match error.esource() {
        ErrorSource::Downstream => match error.etype() {
            ErrorType::WriteError
            | ErrorType::ReadError
            | ErrorType::ConnectionClosed
            | ErrorType::ReadTimedout
            | ErrorType::WriteTimedout => Verdict {
                status: 0,
                kind: "client_closed",
            },
            _ => Verdict {
                status: 400,
                kind: "bad_request",
            },
        },
        ErrorSource::Upstream => {
            let (status, kind) = match error.etype() {
                ErrorType::ConnectTimedout => (504, "connect_timeout"),
                ErrorType::ReadTimedout | ErrorType::WriteTimedout => (504, "timeout"),
                ErrorType::ConnectRefused => (502, "connect_refused"),
                ErrorType::ConnectNoRoute | ErrorType::ConnectError | ErrorType::SocketError => {
                    (502, "connect")
                }
                ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError => {
                    (502, "reset")
                }
                ErrorType::InvalidHTTPHeader => (502, "bad_answer"),
                _ => (502, "upstream"),
            };
            Verdict { status, kind }
        }
        ErrorSource::Internal | ErrorSource::Unset => Verdict {
            status: 500,
            kind: match error.etype() {
                ErrorType::FileReadError => "file",
                _ => "internal",
            },
        },
    }
}

/// An error in sending an answer of our own: the client's, unless it is known to be ours.
pub fn clients_unless_ours(mut error: Box<Error>) -> Box<Error> {
    if *error.esource() == ErrorSource::Unset {
        error.as_down();
    }
    error
}

/// An error for the log. pingora quotes the head that it could not parse, and there may be a
/// cookie in it: then only the cause is told.
pub fn in_words(error: &Error) -> String {
    let quotes = |kind: &ErrorType| *kind == ErrorType::InvalidHTTPHeader;
    if !quotes(error.etype()) && !quotes(error.root_etype()) {
        return error.to_string();
    }
    let cause = error.root_cause();
    match cause.downcast_ref::<Error>() {
        None => format!("{} is no HTTP: {cause}", error.esource().as_str()),
        Some(_) => format!("{} is no HTTP", error.esource().as_str()),
    }
}

fn status_kind(status: u16) -> &'static str {
    match status {
        400 => "bad_request",
        413 => "body_too_large",
        501 => "websocket",
        502 => "no_address",
        503 => "no_server",
        _ => "status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pingora::BError;

    fn of(kind: ErrorType, source: ErrorSource) -> (u16, &'static str) {
        let mut error: BError = Error::new(kind);
        error.esource = source;
        let verdict = verdict(&error);
        (verdict.status, verdict.kind)
    }

    #[test]
    fn whose_fault_it_is_decides() {
        use ErrorSource::{Downstream, Internal, Upstream};
        assert_eq!(
            of(ErrorType::ConnectRefused, Upstream),
            (502, "connect_refused")
        );
        assert_eq!(
            of(ErrorType::ConnectTimedout, Upstream),
            (504, "connect_timeout")
        );
        assert_eq!(of(ErrorType::ConnectionClosed, Upstream), (502, "reset"));
        assert_eq!(
            of(ErrorType::ConnectionClosed, Downstream),
            (0, "client_closed")
        );
        assert_eq!(
            of(ErrorType::InvalidHTTPHeader, Downstream),
            (400, "bad_request")
        );
        assert_eq!(of(ErrorType::InternalError, Internal), (500, "internal"));
        assert_eq!(
            of(ErrorType::HTTPStatus(413), Downstream),
            (413, "body_too_large")
        );
    }

    #[test]
    fn a_head_is_never_quoted() {
        for error in [
            Error::explain(ErrorType::InvalidHTTPHeader, "geheim"),
            Error::because(
                ErrorType::InvalidHTTPHeader,
                "buf: geheim",
                std::io::Error::other("no name"),
            ),
            Error::because(
                ErrorType::ReadError,
                "outer",
                Error::explain(ErrorType::InvalidHTTPHeader, "geheim"),
            ),
        ] {
            assert!(!in_words(&error).contains("geheim"), "{}", in_words(&error));
        }
        let error = Error::explain(ErrorType::ConnectError, "context");
        assert!(in_words(&error).contains("context"));
    }

    #[test]
    fn a_fault_at_the_root_decides_alone() {
        for (fault, status) in [
            (Fault::Chunk, 400),
            (Fault::BodyTimeout, 408),
            (Fault::AppTimeout, 504),
            (Fault::Idle, 0),
        ] {
            let error = Error::because(ErrorType::ReadError, "reading", fault.into_io());
            let error = Error::because(ErrorType::InternalError, "outer", error);
            assert_eq!(verdict(&error).status, status, "{fault}");
        }
    }
}
