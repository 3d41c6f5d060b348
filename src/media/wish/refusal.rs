//! What is answered to a request that makes no sense.

use std::fmt;

/// Why a request gets no picture. What was sent is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A parameter that is none of what is allowed.
    Value {
        /// Its name.
        parameter: &'static str,
        /// What is allowed.
        expected: &'static str,
    },
    /// A parameter that is given more than once.
    Twice {
        /// Its name.
        parameter: &'static str,
    },
    /// A signature of something else, or with another key.
    Signature,
}

impl Refusal {
    /// The status of the answer: 400 or 403.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::Value { .. } | Refusal::Twice { .. } => 400,
            Refusal::Signature => 403,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Value {
                parameter,
                expected,
            } => write!(f, "the parameter `{parameter}`: expected {expected}"),
            Refusal::Twice { parameter } => {
                write!(f, "the parameter `{parameter}` is given twice")
            }
            Refusal::Signature => f.write_str(
                "the signature `s` is not that of this address, or not its last parameter",
            ),
        }
    }
}

impl std::error::Error for Refusal {}
