//! What is said when a question cannot be answered.

use super::Reply;
use serde_json::{Value, json};

/// A question that cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A parameter is wrong.
    Parameter {
        /// What is wrong.
        error: String,
        /// Which parameter.
        parameter: String,
        /// What it may be.
        allowed: String,
    },
    /// There is nothing at this path.
    Path(String),
    /// The path is for other methods: these.
    Method(&'static str),
    /// The store cannot tell.
    Trouble(String),
}

impl Refusal {
    /// The value of a parameter is not one of those that it may have.
    pub fn value(parameter: &str, value: &str, allowed: impl Into<String>) -> Refusal {
        // The answer need not repeat more than can be recognised.
        const SHOWN: usize = 100;
        let value = crate::visits::visit::cut(value, SHOWN);
        Refusal::Parameter {
            error: format!("{parameter} is {value:?}"),
            parameter: parameter.to_string(),
            allowed: allowed.into(),
        }
    }

    /// The answer that says so. `endpoints` are the paths that there are; to a `stranger`, who may
    /// ask but is not the operator, the machine's files are not named.
    pub fn reply(&self, endpoints: &[&str], stranger: bool) -> Reply {
        let error = |status: u16, body: Value| Reply::new(status, &body);
        match self {
            Refusal::Parameter {
                error: text,
                parameter,
                allowed,
            } => error(
                400,
                json!({ "error": text, "parameter": parameter, "allowed": allowed }),
            ),
            Refusal::Path(path) => error(
                404,
                json!({ "error": format!("there is nothing at {path:?}"), "endpoints": endpoints }),
            ),
            Refusal::Method(allow) => Reply {
                allow: Some(allow),
                ..error(405, json!({ "error": format!("this path is for {allow}") }))
            },
            Refusal::Trouble(_) if stranger => {
                let text = "the numbers cannot be read just now";
                error(503, json!({ "error": text }))
            }
            Refusal::Trouble(text) => error(503, json!({ "error": text })),
        }
    }
}
